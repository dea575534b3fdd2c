"""Ledger of loads, in Postgres: the totals of each partition when it was loaded, to detect changes since."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import psycopg

from order_batch.extract.postgres import SOURCES
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.tables import Span, Table

_RECORD = """
    insert into warehouse_loads (warehouse, table_name, partition_start, rows, amount, newest)
    values (%(warehouse)s, %(table)s, %(start)s, %(rows)s, %(amount)s, %(newest)s)
    on conflict (warehouse, table_name, partition_start) do update
    set rows = excluded.rows, amount = excluded.amount, newest = excluded.newest, loaded_at = now()
"""
_RECORDED = """
    select partition_start, rows, amount, newest from warehouse_loads
    where warehouse = %(warehouse)s and table_name = %(table)s
        and partition_start >= %(start)s and partition_start < %(end)s
"""
_LOADED_AT = """
    select loaded_at from warehouse_loads
    where warehouse = %(warehouse)s and table_name = %(table)s and partition_start = %(start)s
"""
_SPAN = """
    select min(partition_start), max(partition_start) from warehouse_loads
    where warehouse = %(warehouse)s and table_name = %(table)s
"""


class LoadLedger:
    """The loads into one warehouse."""

    def __init__(self, connection: "psycopg.Connection[Any]", warehouse: str) -> None:
        self._connection = connection
        self._warehouse = warehouse

    def record(self, table: Table, partition: Partition, totals: Totals) -> None:
        """Record that a partition was loaded and compared."""
        self._connection.execute(
            _RECORD,
            {
                "warehouse": self._warehouse, "table": table.name, "start": partition.start,
                "rows": totals.rows, "amount": totals.amount, "newest": totals.newest,
            },
        )  # fmt: skip

    def span(self, table: Table) -> tuple[date, date] | None:
        """The first and the last partition that was ever loaded, by their first dates; None when none was."""
        found = self._connection.execute(_SPAN, {"warehouse": self._warehouse, "table": table.name}).fetchone()
        return None if found is None or found[0] is None else (found[0], found[1])

    def loaded_at(self, table: Table, day: date) -> datetime | None:
        """When the partition of a business date was last loaded."""
        span = {"warehouse": self._warehouse, "table": table.name, "start": Partition.of(table, day).start}
        found = self._connection.execute(_LOADED_AT, span).fetchone()
        return None if found is None else found[0]

    def dirty(self, table: Table, first: date, last: date) -> list[Partition]:
        """Partitions from that of `first` to that of `last` that changed in Postgres since they were loaded."""
        loaded = self.loaded_totals(table, first, last)
        held = self.postgres_totals(table, first, last)
        nothing = Totals(0, None if table.amount is None else 0, None)
        return sorted(
            partition
            for partition in loaded.keys() | held.keys()
            if loaded.get(partition) != held.get(partition, nothing)
        )

    def loaded_totals(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        """The totals that were loaded, by partition."""
        span = {"start": Partition.of(table, first).start, "end": Partition.of(table, last).end}
        found = self._connection.execute(_RECORDED, {"warehouse": self._warehouse, "table": table.name, **span})
        return _by_partition(table, found.fetchall())

    def postgres_totals(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        """The totals in Postgres, by partition; partitions without rows are left out."""
        source = SOURCES[table.name]
        unit = "day" if table.span is Span.DAY else "month"
        by = f"date_trunc('{unit}', {source.moment} at time zone 'Asia/Jakarta')::date"
        start, end = Partition.of(table, first).moments[0], Partition.of(table, last).moments[1]
        found = self._connection.execute(source.totals(table, by), {"start": start, "end": end})
        return _by_partition(table, found.fetchall())


def _by_partition(table: Table, rows: Iterable[tuple[Any, ...]]) -> dict[Partition, Totals]:
    return {
        Partition(start, table.span): Totals(count, None if amount is None else int(amount), newest)
        for start, count, amount, newest in rows
    }
