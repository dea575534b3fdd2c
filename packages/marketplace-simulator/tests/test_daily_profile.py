"""The day: moments are in order, within their business date, and as dense as its hours."""

from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from marketplace_simulator.generator import HOURLY_WEIGHTS, day_moments
from marketplace_simulator.seeded_random import SeededRandom
from order_contract.business_time import BUSINESS_ZONE, business_date


@given(st.dates(date(2025, 1, 1), date(2035, 1, 1)), st.integers(0, 60), st.integers())
def test_moments_are_in_order_within_their_business_date(day: date, count: int, seed: int) -> None:
    moments = list(day_moments(day, count, SeededRandom(seed)))

    assert len(moments) == count
    assert moments == sorted(moments)
    assert {business_date(moment) for moment in moments} <= {day}
    assert all(moment.microsecond % 1_000 == 0 for moment in moments)


def test_each_hour_has_its_share() -> None:
    count = 50_000
    hours = Counter(moment.hour for moment in day_moments(date(2026, 11, 22), count, SeededRandom(1)))

    for hour, weight in enumerate(HOURLY_WEIGHTS):
        expected = count * weight / sum(HOURLY_WEIGHTS)
        assert abs(hours[hour] - expected) < 6 * expected**0.5


def test_orders_cover_the_day_up_to_midnight() -> None:
    moments = list(day_moments(date(2026, 11, 22), 100_000, SeededRandom(1)))
    midnight = datetime(2026, 11, 22, tzinfo=BUSINESS_ZONE)

    assert moments[0] - midnight < timedelta(minutes=1)
    assert midnight + timedelta(days=1) - moments[-1] < timedelta(minutes=1)
    assert max(later - earlier for earlier, later in pairwise(moments)) < timedelta(minutes=3)
