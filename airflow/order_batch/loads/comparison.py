"""Comparison of partitions in Postgres with the raw tables of the warehouse, by their contents."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import psycopg

from order_batch.extract.totals import postgres_totals
from order_batch.loads.ledger import Load, LoadLedger
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import Table


class LoadState(StrEnum):
    """Result of comparing a partition."""

    AGREES = "agrees"
    NOT_LOADED = "not loaded"
    MISSING = "missing in the warehouse"
    """It was loaded, and nothing is left of it."""
    CHANGED = "changed since its load"
    """The warehouse holds what was loaded, and Postgres something else."""
    DIFFERS = "differs from its load"
    """The warehouse does not hold what was loaded."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A partition of a table on both sides."""

    table: Table
    partition: Partition
    postgres: Totals
    loaded: Load | None
    warehouse: Totals

    @property
    def state(self) -> LoadState:
        """Whether it has to be loaded again, and why."""
        if self.postgres == self.warehouse:
            return LoadState.AGREES
        if self.loaded is None:
            return LoadState.NOT_LOADED
        if self.loaded.content_hash in {None, self.warehouse.content_hash}:
            return LoadState.CHANGED
        return LoadState.DIFFERS if self.warehouse.rows else LoadState.MISSING


class Comparer:
    """Compares Postgres with one warehouse."""

    def __init__(self, connection: "psycopg.Connection[Any]", warehouse: Warehouse) -> None:
        self._connection = connection
        self._warehouse = warehouse
        self._ledger = LoadLedger(connection, warehouse.name)

    def compare(self, table: Table, first: date, last: date) -> Iterator[Comparison]:
        """Compares the partitions from that of `first` to that of `last` that have rows on either side.

        Frozen ones are left out: Postgres no longer holds their rows.
        """
        postgres = postgres_totals(self._connection, table, first, last)
        held = self._warehouse.totals(table, first, last)
        loads, nothing = self._ledger.loads(table, first, last), Totals.empty(table)
        frozen = self._ledger.frozen(table, first, last)
        for partition in sorted((postgres.keys() | held.keys()) - frozen):
            yield Comparison(
                table,
                partition,
                postgres.get(partition, nothing),
                loads.get(partition),
                held.get(partition, nothing),
            )


def dirty_partitions(comparisons: Iterable[Comparison]) -> list[Partition]:
    """The partitions that have to be loaded again, in order."""
    return sorted({each.partition for each in comparisons if each.state is not LoadState.AGREES})
