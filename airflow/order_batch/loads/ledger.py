"""Ledger of loads, in Postgres: when each partition was loaded last, and the hash of what was loaded."""

from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg

from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.tables import Table

_RECORD = """
    insert into warehouse_loads (warehouse, table_name, partition_start, content_hash)
    values (%(warehouse)s, %(table)s, %(start)s, %(content_hash)s)
    on conflict (warehouse, table_name, partition_start) do update
    set content_hash = excluded.content_hash, loaded_at = now()
"""
_LOADS = """
    select partition_start, loaded_at, content_hash from warehouse_loads
    where warehouse = %(warehouse)s and table_name = %(table)s
        and partition_start >= %(start)s and partition_start < %(end)s
"""


class Load(NamedTuple):
    """The last load of a partition. The hash is null for a load of a release that did not know it."""

    loaded_at: datetime
    content_hash: int | None


class LoadLedger:
    """The loads into one warehouse."""

    def __init__(self, connection: "psycopg.Connection[Any]", warehouse: str) -> None:
        self._connection = connection
        self._warehouse = warehouse

    def record(self, table: Table, partition: Partition, content_hash: int) -> None:
        """Record that a partition was loaded and compared."""
        self._connection.execute(_RECORD, self._parameters(table, start=partition.start, content_hash=content_hash))

    def loads(self, table: Table, first: date, last: date) -> dict[Partition, Load]:
        """The last loads of the partitions from that of `first` to that of `last`."""
        span = {"start": Partition.of(table, first).start, "end": Partition.of(table, last).end}
        found = self._connection.execute(_LOADS, self._parameters(table, **span))
        return {Partition(start, table.span): Load(*values) for start, *values in found}

    def loaded_at(self, table: Table, day: date) -> datetime | None:
        """When the partition of a business date was last loaded."""
        found = self.loads(table, day, day).get(Partition.of(table, day))
        return None if found is None else found.loaded_at

    def _parameters(self, table: Table, **values: object) -> dict[str, object]:
        return {"warehouse": self._warehouse, "table": table.name, **values}
