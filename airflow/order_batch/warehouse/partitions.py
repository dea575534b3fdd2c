"""Partitions: spans of business dates that are loaded as one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from order_batch.warehouse.tables import Span, Table
from order_contract.business_time import BUSINESS_ZONE

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A day or a month of business dates, by its first."""

    start: date
    span: Span

    @classmethod
    def of(cls, table: Table, day: date) -> "Partition":
        """The partition of a table that a business date lies in."""
        return cls(day if table.span is Span.DAY else day.replace(day=1), table.span)

    @property
    def end(self) -> date:
        """The first business date behind it."""
        if self.span is Span.DAY:
            return self.start + _DAY
        return (self.start.replace(day=28) + timedelta(days=4)).replace(day=1)

    @property
    def id(self) -> str:
        """As BigQuery's partition decorators have it: `20261121`, or `202611` for a month."""
        return self.start.strftime("%Y%m%d" if self.span is Span.DAY else "%Y%m")

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """From when until before when, as aware datetimes."""
        return tuple(datetime.combine(day, time(), BUSINESS_ZONE) for day in (self.start, self.end))  # type: ignore[return-value]

    def __str__(self) -> str:
        return self.start.isoformat() if self.span is Span.DAY else f"{self.start:%Y-%m}"


def business_dates(first: date, last: date) -> Iterator[date]:
    """Every date from the first to the last, both included."""
    while first <= last:
        yield first
        first += _DAY
