"""Business time: the date and hour in Asia/Jakarta, also near midnight and at the ends of months."""

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.business_time import BUSINESS_ZONE, business_date, business_date_start, business_hour, parse_moment

JAKARTA = ZoneInfo("Asia/Jakarta")
moments = st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("moment", "day", "hour"),
    [
        (datetime(2026, 11, 22, 16, 59, 59, 999999, tzinfo=UTC), date(2026, 11, 22), 23),
        (datetime(2026, 11, 22, 17, 0, tzinfo=UTC), date(2026, 11, 23), 0),
        (datetime(2026, 11, 30, 17, 0, tzinfo=UTC), date(2026, 12, 1), 0),
        (datetime(2026, 12, 31, 17, 0, tzinfo=UTC), date(2027, 1, 1), 0),
        (datetime(2024, 2, 28, 17, 0, tzinfo=UTC), date(2024, 2, 29), 0),
        (datetime(2026, 2, 28, 17, 0, tzinfo=UTC), date(2026, 3, 1), 0),
        (datetime(2026, 11, 22, 21, 59, tzinfo=UTC), date(2026, 11, 23), 4),
        (datetime(2026, 11, 22, 22, 0, tzinfo=UTC), date(2026, 11, 23), 5),
        (datetime(2026, 11, 22, 0, 0, tzinfo=BUSINESS_ZONE), date(2026, 11, 22), 0),
        (datetime(2026, 11, 21, 9, 0, tzinfo=timezone(timedelta(hours=-8))), date(2026, 11, 22), 0),
    ],
)
def test_date_and_hour(moment: datetime, day: date, hour: int) -> None:
    assert business_date(moment) == day
    assert business_hour(moment) == hour


@given(moments)
def test_the_fixed_offset_is_what_the_time_zone_database_says(moment: datetime) -> None:
    local = moment.astimezone(JAKARTA)

    assert business_date(moment) == local.date()
    assert business_hour(moment) == local.hour


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_date_and_hour_do_not_depend_on_the_offset_a_moment_is_written_in(moment: datetime, minutes: int) -> None:
    written = moment.astimezone(timezone(timedelta(minutes=minutes)))

    assert business_date(written) == business_date(moment)
    assert business_hour(written) == business_hour(moment)


@given(moments)
def test_a_moment_without_offset_is_business_time(moment: datetime) -> None:
    text = moment.astimezone(BUSINESS_ZONE).replace(tzinfo=None).isoformat()

    assert parse_moment(text) == moment
    assert parse_moment(text).tzinfo is UTC


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_a_moment_with_offset_is_that_moment(moment: datetime, minutes: int) -> None:
    assert parse_moment(moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()) == moment


@pytest.mark.parametrize(
    "text", ["2026-11-22", "20261122", "2026-W47-7", "", "now", "1969-12-31T00:00", "9999-01-01T00:00"]
)
def test_text_that_is_not_a_time_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_moment(text)


@given(st.text())
def test_arbitrary_text_is_a_moment_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_moment(text).tzinfo is UTC


def test_a_business_date_starts_at_its_first_moment() -> None:
    start = business_date_start(date(2026, 11, 20))
    assert start == datetime(2026, 11, 19, 17, tzinfo=UTC)
    assert business_date(start) == date(2026, 11, 20)
    assert business_date(start - timedelta(microseconds=1)) == date(2026, 11, 19)
