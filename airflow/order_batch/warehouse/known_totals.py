"""Totals of partitions that a process has read, so that rows are hashed again only if they are others than then."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import NamedTuple, TypeAlias

from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.tables import Table


class Fingerprint(NamedTuple):
    """What tells the rows of a partition from others, and costs little: their number, and the XOR of hashes of them."""

    rows: int
    hashed: int


ReadFingerprints: TypeAlias = Callable[[Table, date, date], Iterable[tuple[date, int, int]]]
"""The first date of each partition between two business dates, and the fingerprint of its rows."""
HashRows: TypeAlias = Callable[[Table, date, date], dict[Partition, Totals]]
"""The totals by partition between two business dates, computed from the rows, and remembered."""


class KnownTotals:
    """Remembers totals with the fingerprint of the rows that they are of."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Partition], tuple[Fingerprint, Totals]] = {}

    def remember(self, table: Table, partition: Partition, fingerprint: Fingerprint, totals: Totals) -> None:
        """Keep the totals of a partition while it has these rows."""
        self._known[table.name, partition] = fingerprint, totals

    def read(
        self, table: Table, first: date, last: date, fingerprints: ReadFingerprints, hash_rows: HashRows
    ) -> dict[Partition, Totals]:
        """The totals from business date `first` to `last`, by partition: of rows that are others they are hashed."""
        if not any(name == table.name for name, _ in self._known):
            return hash_rows(table, first, last)
        found: dict[Partition, Totals] = {}
        others: list[Partition] = []
        for day, *fingerprint in fingerprints(table, first, last):
            partition = Partition(day, table.span)
            known = self._known.get((table.name, partition))
            if known is not None and known[0] == Fingerprint(*fingerprint):
                found[partition] = known[1]
            else:
                others.append(partition)
        if others:
            found |= hash_rows(table, max(first, min(others).start), min(last, max(others).last))
        return found
