"""Totals of partitions in a DuckDB file, where rows are hashed again only if they are others than the last time."""

from datetime import date
from typing import Any

import duckdb

from order_batch.warehouse.content_hash import DUCKDB
from order_batch.warehouse.known_totals import Fingerprint, KnownTotals
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.tables import Table


class DuckDbTotals:
    """Reads the totals of partitions of one file, and remembers them with the rows that they are of."""

    def __init__(self) -> None:
        self._known = KnownTotals()

    def read(
        self, connection: duckdb.DuckDBPyConnection, table: Table, first: date, last: date
    ) -> dict[Partition, Totals]:
        """The totals of the rows from business date `first` to `last`, by partition; without rows there are none."""
        return self._known.read(
            table,
            first,
            last,
            lambda *span: _run(connection, _fingerprint(table), *span),
            lambda *span: self.hash(connection, *span),
        )

    def hash(
        self, connection: duckdb.DuckDBPyConnection, table: Table, first: date, last: date
    ) -> dict[Partition, Totals]:
        """The same as `read`, without a look at what is known: of rows that were just written."""
        # Not cast to 64 bits: a day's sum may exceed them.
        amount = f"coalesce(sum({table.amount}), 0)" if table.amount else "null"
        columns = f"{_fingerprint(table)}, {amount}, {DUCKDB.content_hash(table)}"
        found: dict[Partition, Totals] = {}
        for day, rows, hashed, total, content_hash in _run(connection, columns, table, first, last):
            partition = Partition(day, table.span)
            found[partition] = Totals(rows, total, content_hash)
            self._known.remember(table, partition, Fingerprint(rows, hashed), found[partition])
        return found


def partition_start(table: Table) -> str:
    """The expression of the first date of a row's partition."""
    return f"date_trunc('{table.span.value}', {table.partition_column})::date"


def _fingerprint(table: Table) -> str:
    """The expressions of DuckDB's own hash of all columns, which takes a tenth of the time of the content hash.

    It may be another one in another release of DuckDB, so it is only compared within a process.
    """
    return f"count(*), bit_xor(hash({table.column_list}))"


def _run(
    connection: duckdb.DuckDBPyConnection, columns: str, table: Table, first: date, last: date
) -> list[tuple[Any, ...]]:
    """Aggregates of the rows of business dates, by partition."""
    return connection.execute(
        f"select {partition_start(table)}, {columns} from raw.{table.name} "
        f"where {table.partition_column} between $1 and $2 group by 1",
        [first, last],
    ).fetchall()
