"""Partitions: which span of business dates, and which moments those are."""

from datetime import UTC, date, datetime

import pytest

from order_batch.warehouse.partitions import Partition, business_dates
from order_batch.warehouse.tables import ORDERS, USERS, Span


def test_a_day_is_a_day_in_jakarta() -> None:
    partition = Partition.of(ORDERS, date(2026, 11, 21))
    assert partition.id == "20261121"
    assert partition.moments == (datetime(2026, 11, 20, 17, tzinfo=UTC), datetime(2026, 11, 21, 17, tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "first", "end"),
    [
        (date(2026, 11, 30), date(2026, 11, 1), date(2026, 12, 1)),
        (date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        (date(2028, 2, 29), date(2028, 2, 1), date(2028, 3, 1)),
    ],
)
def test_a_month_holds_its_days(day: date, first: date, end: date) -> None:
    partition = Partition.of(USERS, day)
    assert (partition.start, partition.end, partition.span) == (first, end, Span.MONTH)
    assert partition.id == f"{first:%Y%m}"


def test_ranges_hold_both_ends() -> None:
    assert list(business_dates(date(2026, 2, 27), date(2026, 3, 1))) == [
        date(2026, 2, 27),
        date(2026, 2, 28),
        date(2026, 3, 1),
    ]
    assert list(business_dates(date(2026, 3, 2), date(2026, 3, 1))) == []
