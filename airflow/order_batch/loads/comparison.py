"""Comparison of partitions through their life, by their contents: docs/decisions/0009-a-date-s-life.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

import psycopg

from order_batch.extract.totals import PostgresTotals
from order_batch.loads.ledger import Load, LoadLedger
from order_batch.publish.published_partitions import PublishedContent, published_partitions
from order_batch.warehouse.partitions import Partition, Totals, moments
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import Table


class LifeState(StrEnum):
    """How far a partition has come unchanged: the first stage that differs from the one before."""

    AGREES = "agrees"
    NOT_LOADED = "not loaded"
    OUTDATED = "loaded by an earlier release"
    """The warehouse's table had fewer columns then."""
    KEPT = "kept from an earlier release"
    """Loaded by one that knew fewer columns; Postgres no longer holds all of it, so that a load would lose rows."""
    MISSING = "missing in the warehouse"
    """It was loaded, and nothing is left of it."""
    CHANGED = "changed since its load"
    """The warehouse holds what was loaded, and Postgres something else."""
    DIFFERS = "differs from its load"
    """The warehouse does not hold what was loaded."""
    NOT_BUILT = "loaded, not built"
    NOT_PUBLISHED = "built, not published"


_TO_LOAD: Final = {LifeState.NOT_LOADED, LifeState.OUTDATED, LifeState.MISSING, LifeState.CHANGED, LifeState.DIFFERS}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A partition of a raw table in Postgres, in the raw table, in what was built of it, and in what was published.

    `postgres` and `compared` are about the business dates that were compared, `raw` about the whole partition: a month
    of the catalog grows after the date that it is compared up to. `built` is None where the build is not complete.
    """

    table: Table
    partition: Partition
    postgres: Totals
    loaded: Load | None
    compared: Totals
    raw: Totals
    built: Totals | None
    published: PublishedContent

    @property
    def state(self) -> LifeState:
        """How far it has come."""
        if self.postgres != self.compared:
            return self._load_state()
        if self.built != self.raw:
            return LifeState.NOT_BUILT
        if self.published != PublishedContent(self.raw.rows, self.raw.content_hash):
            return LifeState.NOT_PUBLISHED
        return LifeState.AGREES

    @property
    def is_clean(self) -> bool:
        """Whether all stages hold the same."""
        return self.state is LifeState.AGREES

    @property
    def must_load(self) -> bool:
        """Whether it has to be loaded, and not only built or published."""
        return self.state in _TO_LOAD

    def _load_state(self) -> LifeState:
        if self.loaded is None:
            return LifeState.NOT_LOADED
        if self.loaded.is_kept:
            return LifeState.KEPT
        if self.loaded.is_outdated and self.raw.rows:
            return LifeState.KEPT if self.postgres.rows < self.compared.rows else LifeState.OUTDATED
        if self.loaded.content_hash in {None, self.raw.content_hash}:
            return LifeState.CHANGED
        return LifeState.DIFFERS if self.raw.rows else LifeState.MISSING


_AFTER: Final = """
    select count(*) filter (where created_date < %(end)s), count(*) filter (where created_date >= %(end)s)
    from orders where created_date >= %(start)s
"""
_ORDER_DATES: Final = """
    select (min(created_date) at time zone 'Asia/Jakarta')::date, (max(created_date) at time zone 'Asia/Jakarta')::date
    from orders
"""


@dataclass(frozen=True, slots=True)
class OutdatedDates:
    """Dates that an earlier release has loaded: those to load again, and those of which Postgres lacks rows by now."""

    to_load: frozenset[date]
    to_keep: frozenset[date]


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Orders in Postgres of a business date that is not over, and of later ones: no load takes them yet."""

    today: date
    orders_of_today: int
    orders_of_later_dates: int


class Comparer:
    """Compares Postgres with one warehouse, and with what was published from it."""

    def __init__(
        self, connection: "psycopg.Connection[Any]", warehouse: Warehouse, totals: PostgresTotals | None = None
    ) -> None:
        """`totals` are those of the connection, where some may be known already."""
        self._connection = connection
        self._totals = totals or PostgresTotals(connection)
        self._warehouse = warehouse
        self._ledger = LoadLedger(connection, warehouse.name)

    def compare(self, table: Table, first: date, last: date) -> Iterator[Comparison]:
        """Compares the business dates from `first` to `last`, by partition, where any stage has rows of it.

        Frozen ones are left out: Postgres no longer holds their rows.
        """
        start, end = Partition.of(table, first).start, Partition.of(table, last).last
        postgres = self._totals.read(table, first, last)
        compared = self._warehouse.totals(table, first, last)
        raw = compared if (start, end) == (first, last) else self._warehouse.totals(table, start, end)
        built = self._warehouse.built_contents(table, start, end)
        published = published_partitions(self._connection, table, start, end)
        loads, nothing = self._ledger.loads(table, first, last), Totals.empty(table)
        frozen = self._ledger.frozen(table, first, last)
        for partition in sorted((postgres.keys() | raw.keys() | built.keys() | published.keys()) - frozen):
            yield Comparison(
                table,
                partition,
                postgres.get(partition, nothing),
                loads.get(partition),
                compared.get(partition, nothing),
                raw.get(partition, nothing),
                built.get(partition, nothing),
                published.get(partition, PublishedContent(0, 0)),
            )

    def to_load(self, table: Table, first: date, last: date) -> list[Partition]:
        """The partitions of these business dates whose raw rows are not those of Postgres, but for frozen ones.

        What was built and published is not read: it says nothing about loads.
        """
        postgres = self._totals.read(table, first, last)
        raw, nothing = self._warehouse.totals(table, first, last), Totals.empty(table)
        differing = {
            partition
            for partition in postgres.keys() | raw.keys()
            if postgres.get(partition, nothing) != raw.get(partition, nothing)
        }
        return sorted(differing - self._ledger.frozen(table, first, last))

    def outdated_dates(self, tables: Sequence[Table], last: date) -> OutdatedDates:
        """The business dates up to `last` that a release loaded which knew fewer of these tables, or of their columns.

        Without those that were decided to be kept.
        """
        outdated = {each.start for table in tables for each in self._ledger.outdated(table, tables, last)}
        shrunk: set[date] = set()
        for table in tables if outdated else ():
            span = min(outdated), max(outdated)
            postgres, raw = self._totals.row_counts(table, *span), self._warehouse.row_counts(table, *span)
            shrunk |= {
                partition.start
                for partition, rows in raw.items()
                if partition.start in outdated and postgres.get(partition, 0) < rows
            }
        return OutdatedDates(frozenset(outdated - shrunk), frozenset(shrunk))

    def not_compared(self, today: date) -> NotCompared:
        """How many orders Postgres holds of today and of later dates."""
        start, end = moments(today, today)
        (found,) = self._connection.execute(_AFTER, {"start": start, "end": end}).fetchall()
        return NotCompared(today, *found)

    def order_dates(self) -> tuple[date, date] | None:
        """The first and the last business date whose orders Postgres holds; None if it holds none."""
        ((first, last),) = self._connection.execute(_ORDER_DATES).fetchall()
        return None if first is None else (first, last)
