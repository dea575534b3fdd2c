"""The marketplace's day: when orders come in."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import accumulate

from marketplace_simulator.seeded_random import Dice
from order_contract.business_time import BUSINESS_ZONE

# Orders by business hour: quiet before dawn, busy at lunch, busiest after dinner.
HOURLY = (18, 11, 7, 5, 6, 12, 22, 34, 46, 58, 66, 70, 74, 68, 60, 56, 54, 56, 64, 80, 88, 78, 56, 32)

_TOTAL = sum(HOURLY)
_BOUNDS = tuple(bound / _TOTAL for bound in accumulate(HOURLY))
_HOUR_MS = 3_600_000


def day_moments(day: date, count: int, dice: Dice) -> Iterator[datetime]:
    """`count` moments of a business date in order, as dense as the hours are busy; to the millisecond."""
    midnight = datetime.combine(day, time(), BUSINESS_ZONE)
    passed = 0.0
    # Each the least of those still to come: sorted without keeping them, a million as cheaply as one.
    for left in range(count, 0, -1):
        passed = 1.0 - (1.0 - passed) * (1.0 - dice.fraction()) ** (1 / left)
        yield midnight + timedelta(milliseconds=_milliseconds(passed))


def _milliseconds(passed: float) -> int:
    """Since midnight, when this share of the day's orders has come in."""
    hour = min(bisect_right(_BOUNDS, passed), len(HOURLY) - 1)
    start = _BOUNDS[hour - 1] if hour else 0.0
    into = (passed - start) / (_BOUNDS[hour] - start)
    return min(int((hour + into) * _HOUR_MS), len(HOURLY) * _HOUR_MS - 1)
