"""Partitions: spans of business dates that are loaded as one, and their totals."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from order_batch.warehouse.tables import Span, Table
from order_contract.business_time import BUSINESS_ZONE


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows, the sum of amounts for tables that have one, and the hash of the content."""

    rows: int
    amount: int | None
    content_hash: int

    @classmethod
    def empty(cls, table: Table) -> "Totals":
        """The totals of no rows."""
        return cls(0, None if table.amount is None else 0, 0)

    def difference(self, warehouse: "Totals") -> str | None:
        """Describes the difference from the totals in the warehouse; None if they are equal."""
        if self.rows != warehouse.rows:
            return f"{self.rows:,} rows in Postgres, {warehouse.rows:,} in the warehouse"
        if self.amount != warehouse.amount:
            return f"amounts sum to {self.amount} in Postgres, to {warehouse.amount} in the warehouse"
        if self.content_hash != warehouse.content_hash:
            return f"{self.rows:,} rows with other values in Postgres than in the warehouse"
        return None


_DAY = timedelta(days=1)
# The first date whose midnight in the business time zone can be expressed in UTC.
EARLIEST = date(1, 1, 2)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A day or a month of business dates, identified by its first date."""

    start: date
    span: Span

    @classmethod
    def of(cls, table: Table, day: date) -> "Partition":
        """The partition of a table that contains a business date."""
        return cls(day if table.span is Span.DAY else day.replace(day=1), table.span)

    @property
    def end(self) -> date:
        """The first business date after it."""
        if self.span is Span.DAY:
            return self.start + _DAY
        return (self.start.replace(day=28) + timedelta(days=4)).replace(day=1)

    @property
    def last(self) -> date:
        """Its last business date."""
        return self.end - _DAY

    @property
    def id(self) -> str:
        """In the format of BigQuery's partition decorators: `20261121`, or `202611` for a month."""
        return self.start.strftime("%Y%m%d" if self.span is Span.DAY else "%Y%m")

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """Start, and exclusive end, as aware datetimes."""
        return moments(self.start, self.last)

    def __str__(self) -> str:
        return self.start.isoformat() if self.span is Span.DAY else f"{self.start:%Y-%m}"


def moments(first: date, last: date) -> tuple[datetime, datetime]:
    """Start of the first, and exclusive end of the last business date, as aware datetimes."""
    return datetime.combine(first, time(), BUSINESS_ZONE), datetime.combine(last + _DAY, time(), BUSINESS_ZONE)


def date_ranges(days: Iterable[date], most: int) -> Iterator[tuple[date, date]]:
    """The dates as ranges of consecutive ones, by their first and last; each has at most so many dates."""
    first: date | None = None
    last = EARLIEST
    for day in sorted(set(days)):
        if first is not None and (day - last > _DAY or (day - first).days >= most):
            yield first, last
            first = None
        first, last = first or day, day
    if first is not None:
        yield first, last


def dates_text(first: date, last: date) -> str:
    """A range of dates for a person."""
    return str(first) if first == last else f"{first} to {last}"


def business_dates(first: date, last: date) -> Iterator[date]:
    """Every date from the first to the last, both included."""
    while first <= last:
        yield first
        first += _DAY
