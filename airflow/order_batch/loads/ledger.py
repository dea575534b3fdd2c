"""Ledger of loads, in Postgres: when each partition was loaded last, the hash of its content, and what is frozen."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import product
from typing import Any, NamedTuple

import psycopg

from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.tables import Table
from order_contract.advisory_locks import AdvisoryLock

_RECORD = """
    insert into warehouse_loads (warehouse, table_name, partition_start, content_hash, columns)
    values (%(warehouse)s, %(table)s, %(start)s, %(content_hash)s, %(columns)s)
    on conflict (warehouse, table_name, partition_start) do update
    set content_hash = excluded.content_hash, columns = excluded.columns, loaded_at = now()
"""
_LOADS = """
    select partition_start, loaded_at, content_hash, coalesce(columns, 0) < %(columns)s from warehouse_loads
    where warehouse = %(warehouse)s and table_name = %(table)s
        and partition_start >= %(start)s and partition_start < %(end)s
"""
_FROZEN = """
    select partition_start from warehouse_loads
    where warehouse = %(warehouse)s and table_name = %(table)s and frozen_at is not null
        and partition_start >= %(start)s and partition_start < %(end)s
"""
_OUTDATED = """
    select partition_start from warehouse_loads
    where warehouse = %(warehouse)s and table_name = any(%(together)s) and frozen_at is null
        and partition_start <= %(last)s
    group by partition_start
    having not bool_or(table_name = %(table)s and coalesce(columns, 0) >= %(columns)s)
"""
# As a load that knew all columns, and no hash.
_KEEP = """
    insert into warehouse_loads (warehouse, table_name, partition_start, columns)
    values (%(warehouse)s, %(table)s, %(start)s, %(columns)s)
    on conflict (warehouse, table_name, partition_start) do update
    set content_hash = null, columns = excluded.columns
"""
_FREEZE = """
    insert into warehouse_loads (warehouse, table_name, partition_start, frozen_at, frozen_rows)
    select %(warehouse)s, table_name, day, now(), case when table_name = 'orders' then (
        select count(*) from orders
        where created_date >= day::timestamp at time zone 'Asia/Jakarta'
            and created_date < (day + 1)::timestamp at time zone 'Asia/Jakarta'
    ) end
    from unnest(%(tables)s::text[]) as table_name cross join unnest(%(days)s::date[]) as day
    on conflict (warehouse, table_name, partition_start) do update
    set frozen_at = now(), frozen_rows = coalesce(warehouse_loads.frozen_rows, excluded.frozen_rows)
"""
# Other warehouses could not load these dates again either.
_FREEZE_ELSEWHERE = """
    update warehouse_loads set frozen_at = now()
    where table_name = any(%(tables)s) and partition_start = any(%(days)s) and frozen_at is null
"""


class Load(NamedTuple):
    """The last load of a partition. The hash is null for a load of a release that did not know it.

    `is_outdated` says that the table had fewer columns then.
    """

    loaded_at: datetime
    content_hash: int | None
    is_outdated: bool

    @property
    def is_kept(self) -> bool:
        """Whether it was decided to keep what an earlier release has loaded."""
        return self.content_hash is None and not self.is_outdated


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

    def frozen(self, table: Table, first: date, last: date) -> set[Partition]:
        """The partitions from that of `first` to that of `last` whose rows Postgres no longer holds."""
        span = {"start": Partition.of(table, first).start, "end": Partition.of(table, last).end}
        found = self._connection.execute(_FROZEN, self._parameters(table, **span))
        return {Partition(start, table.span) for (start,) in found}

    def outdated(self, table: Table, together: Sequence[Table], last: date) -> set[Partition]:
        """The partitions up to that of `last` that were loaded by a release which knew fewer columns of the table.

        Or nothing of the table: then the partition of another of the tables that are loaded together with it is there.
        Without frozen ones, which keep what was loaded.
        """
        span = {"together": [each.name for each in together], "last": Partition.of(table, last).start}
        found = self._connection.execute(_OUTDATED, self._parameters(table, **span))
        return {Partition(start, table.span) for (start,) in found}

    def keep(self, tables: Iterable[Table], days: Iterable[date]) -> None:
        """Record that these dates stay as an earlier release has loaded them; the next load of a date ends it."""
        with self._connection.transaction():
            for table, day in product(tables, days):
                self._connection.execute(_KEEP, self._parameters(table, start=day))

    def freeze(self, tables: Iterable[Table], days: Iterable[date]) -> None:
        """Freeze dates, in all warehouses at once."""
        parameters = {"warehouse": self._warehouse, "tables": [table.name for table in tables], "days": list(days)}
        with self._connection.transaction():
            self._connection.execute(_FREEZE, parameters)
            self._connection.execute(_FREEZE_ELSEWHERE, parameters)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Let nothing be frozen in the meantime; other loads may run."""
        with self._hold("pg_advisory_lock_shared", "pg_advisory_unlock_shared"):
            yield

    @contextmanager
    def freezing(self) -> Iterator[None]:
        """Wait until no load is running, and let none begin."""
        with self._hold("pg_advisory_lock", "pg_advisory_unlock"):
            yield

    @contextmanager
    def _hold(self, lock: str, unlock: str) -> Iterator[None]:
        self._connection.execute(f"select {lock}({AdvisoryLock.LOADS:d})")
        try:
            yield
        finally:
            if not self._connection.closed:
                self._connection.execute(f"select {unlock}({AdvisoryLock.LOADS:d})")

    def _parameters(self, table: Table, **values: object) -> dict[str, object]:
        return {"warehouse": self._warehouse, "table": table.name, "columns": len(table.columns), **values}
