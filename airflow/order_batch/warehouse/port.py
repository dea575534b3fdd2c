"""The port: what a warehouse must be able to do. DuckDB and BigQuery do it, and pass the same contract tests."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.tables import Table
from order_batch.warehouse.totals import Totals


class WarehouseError(Exception):
    """The warehouse refuses, in words and with what to do; a repeat would end the same."""


class WarehouseUnavailableError(Exception):
    """The warehouse is away, busy or over a quota: a repeat may go through."""


class Warehouse(Protocol):
    """Raw tables to load into, and gold tables to read from."""

    @property
    def name(self) -> str:
        """Which one: loads are recorded under it."""

    def prepare(self) -> None:
        """Make the raw tables that are not there, with their explicit schema and partitioning."""

    def load(self, table: Table, partition: Partition, files: Sequence[Path], expected: Totals) -> None:
        """Replace a partition by the rows of gzipped newline-delimited JSON files, all or nothing; idempotent.

        No files mean no rows. Raises WarehouseError when a row does not fit the schema, or when rows and amounts are
        not the expected ones, and WarehouseUnavailableError.
        """

    def totals(self, table: Table, partition: Partition) -> Totals:
        """Rows of a partition and the sum of the table's amounts, 0 without rows; `newest` is not known here."""

    def orders(self, day: date, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of raw.orders of a business date with these ids, by column; moments are aware."""

    def gold(
        self, mart: str, order_by: Sequence[str] = (), limit: int | None = None
    ) -> AbstractContextManager["Relation"]:
        """A table or view of schema gold. Raises WarehouseError when it is not there.

        `order_by` are columns without nulls, as SQL has them: `total_orders desc`. `limit` is the most rows to read.
        """


class Relation(Protocol):
    """A table that can be read once."""

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        """Names, and types by their names in Postgres."""

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All rows."""
