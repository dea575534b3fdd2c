"""Comparison of a date in Postgres with what its load recorded, and with the warehouse."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from order_batch.loads.ledger import LoadLedger
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import Table

_NOTHING = Totals(0, 0, None)


class LoadState(StrEnum):
    """Result of comparing a partition."""

    AGREES = "agrees"
    NOT_LOADED = "not loaded"
    CHANGED = "changed since its load"
    DIFFERS = "differs"
    """Nothing changed in Postgres, but the warehouse does not hold what was loaded."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A partition of a table on both sides."""

    table: Table
    partition: Partition
    postgres: Totals
    loaded: Totals | None
    warehouse: Totals

    @property
    def state(self) -> LoadState:
        """Whether it has to be loaded again, and why."""
        if self.loaded is None:
            return LoadState.NOT_LOADED
        if self.loaded != self.postgres:
            return LoadState.CHANGED
        return LoadState.AGREES if self.postgres.difference(self.warehouse) is None else LoadState.DIFFERS


def compare(warehouse: Warehouse, ledger: LoadLedger, table: Table, first: date, last: date) -> Iterator[Comparison]:
    """Compares the partitions from that of `first` to that of `last`, except those that are empty on both sides."""
    held, loaded = ledger.postgres_totals(table, first, last), ledger.loaded_totals(table, first, last)
    for partition in sorted(held.keys() | loaded.keys()):
        yield Comparison(
            table,
            partition,
            held.get(partition, _NOTHING),
            loaded.get(partition),
            warehouse.totals(table, partition),
        )


def dirty_dates(comparisons: Iterable[Comparison]) -> list[date]:
    """The dates that have to be loaded again, in order."""
    return sorted({each.partition.start for each in comparisons if each.state is not LoadState.AGREES})
