"""Comparisons: what Postgres holds of a date against what its load recorded, and against what the warehouse holds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from order_batch.warehouse.ledger import LoadLedger
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import Table
from order_batch.warehouse.totals import Totals

_NOTHING = Totals(0, 0, None)


class State(StrEnum):
    """How a partition stands."""

    AGREES = "agrees"
    NOT_LOADED = "not loaded"
    CHANGED = "changed since its load"
    DIFFERS = "differs"
    """Nothing changed in Postgres, but the warehouse holds something else than was loaded."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A partition of a table on both sides."""

    table: Table
    partition: Partition
    postgres: Totals
    loaded: Totals | None
    warehouse: Totals

    @property
    def state(self) -> State:
        """Whether it has to be loaded again, and why."""
        if self.loaded is None:
            return State.NOT_LOADED
        if self.loaded != self.postgres:
            return State.CHANGED
        return State.AGREES if self.postgres.difference(self.warehouse) is None else State.DIFFERS


def compare(warehouse: Warehouse, ledger: LoadLedger, table: Table, first: date, last: date) -> Iterator[Comparison]:
    """The partitions from that of `first` to that of `last` of which either side holds, or was given, anything."""
    held, loaded = ledger.held(table, first, last), ledger.recorded(table, first, last)
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
    return sorted({each.partition.start for each in comparisons if each.state is not State.AGREES})
