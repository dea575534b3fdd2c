"""Port of a warehouse. DuckDB and BigQuery implement it, and pass the same contract tests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from order_batch.warehouse.models import BuiltModel
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.tables import Table


class WarehouseError(Exception):
    """The warehouse rejected a request. The message says what to do; a retry would fail again."""


class WarehouseUnavailableError(Exception):
    """The warehouse is unavailable, busy or over a quota: a retry may succeed."""


class BuiltPartition(NamedTuple):
    """A partition of a raw table that was built, by the table's name and the first date, and what was built of it."""

    table: str
    start: date
    rows: int
    content_hash: int


class Warehouse(Protocol):
    """Raw tables to load into, and gold tables to read from."""

    @property
    def name(self) -> str:
        """Identifies the warehouse in the ledger of loads."""

    def prepare(self) -> None:
        """Create missing raw tables and missing nullable columns, with explicit schema and partitioning."""

    def load(self, table: Table, partition: Partition, files: Sequence[Path], expected: Totals) -> None:
        """Replace a partition by the rows of staged files, all or nothing; idempotent.

        No files mean no rows. Raises WarehouseError when a file does not fit the table, or when the totals are
        not the expected ones, and WarehouseUnavailableError.
        """

    def totals(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        """The totals of the rows from business date `first` to `last`, by partition, in one query.

        Partitions without rows are left out. The content hash is computed from the rows that are there.
        """

    def row_counts(self, table: Table, first: date, last: date) -> dict[Partition, int]:
        """The number of rows from business date `first` to `last`, by partition, without reading their columns."""

    def built_contents(self, table: Table, first: date, last: date) -> dict[Partition, Totals | None]:
        """What facts, dimensions and aggregates hold of the partitions that begin from `first` to `last`.

        It is None where they do not hold the same, or where the last build did not finish. What was never built is
        left out.
        """

    def built_partitions(self) -> Sequence[BuiltPartition]:
        """All partitions whose last build finished, marts and tests included."""

    def unfinished_dates(self) -> list[date]:
        """Business dates of which aggregates hold orders, and whose last build did not finish."""

    def orders(self, day: date, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The content of the rows of raw.orders of a business date with these ids, by column; times are aware."""

    def order_ids_of(self, user_id: str) -> list[str]:
        """The orders of a user in all partitions of raw.orders."""

    def erase_user(self, user_id: str, pseudonym: str) -> None:
        """Replace what identifies a user in all partitions of the raw tables, as `warehouse/erasure.py` says."""

    def gold(
        self, mart: str, order_by: Sequence[str] = (), limit: int | None = None
    ) -> AbstractContextManager["Relation"]:
        """A table or view of schema gold. Raises WarehouseError if it does not exist.

        `order_by` are columns without nulls, in SQL syntax: `total_orders desc`. `limit` is the most rows to read.
        """

    def of_dates(self, view: str, days: Sequence[date], order_by: Sequence[str]) -> AbstractContextManager["Relation"]:
        """Rows of a view of schema silver whose `business_date` is one of these. Raises WarehouseError without it."""

    def raw(self, table: Table, day: date) -> AbstractContextManager["Relation"]:
        """The rows of a raw table of a business date, in any order; the table is partitioned by `business_date`."""

    def models(self) -> list[BuiltModel]:
        """The tables and views that dbt built."""

    def record_models(self, versions: Mapping[str, str]) -> None:
        """Record the versions of models that were built, by their names."""

    def drop_models(self, models: Iterable[BuiltModel]) -> None:
        """Drop tables and views that dbt built."""

    def dates_only_built(self) -> list[date]:
        """Business dates of silver.fct_orders that raw.orders does not hold: rebuilding would lose them."""


class Relation(Protocol):
    """A table that can be read once."""

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        """Names, and types by their names in Postgres."""

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All rows."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows as Arrow has them, some thousands at a time. Instead of `rows`: a relation is read once."""


def dates_clause(days: Sequence[date]) -> str:
    """WHERE clause of a query on business dates, as literals: engines then know which partitions are read."""
    literals = ", ".join(f"DATE '{day}'" for day in days)
    return f" WHERE business_date IN ({literals})"


def order_limit_clause(order_by: Sequence[str], limit: int | None = None) -> str:
    """ORDER BY and LIMIT clauses of a query; empty for all rows in any order."""
    order = f" ORDER BY {', '.join(order_by)}" if order_by else ""
    return order if limit is None else f"{order} LIMIT {limit:d}"
