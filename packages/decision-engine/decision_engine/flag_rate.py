"""The share of flagged orders before and since a ruleset was switched: whether it has changed beyond a bound. Pure."""

import math
from enum import StrEnum
from typing import Any, Final, NamedTuple

from decision_engine.proportion import Interval, Proportion

# Of the normal distribution, for 999 of 1,000 cases: a watch looks again and again, and chance would leave an interval
# of 95 % sooner or later.
_DEVIATIONS: Final = 3.2905267314919255
FEWEST_ORDERS: Final = 50
"""On either side: the intervals of fewer are too narrow when shares are near 0 or 1."""


class FlagRateVerdict(StrEnum):
    """What two shares of flagged orders say."""

    UNCLEAR = "unclear"
    """Too few orders: the change may be within the bound or beyond it."""
    STEADY = "steady"
    """The change is within the bound."""
    RISE = "rise"
    """More orders are flagged, beyond the bound."""
    FALL = "fall"
    """Fewer orders are flagged, beyond the bound."""

    @property
    def is_jump(self) -> bool:
        """Whether the share has changed beyond the bound."""
        return self in {FlagRateVerdict.RISE, FlagRateVerdict.FALL}


class FlagRateChange(NamedTuple):
    """Flagged orders of all orders before and since a switch, and the change of their share with its interval.

    `difference` is from -1 to 1; None while either side has fewer than FEWEST_ORDERS.
    """

    before: Proportion
    since: Proportion
    difference: Interval | None
    verdict: FlagRateVerdict

    def as_document(self) -> dict[str, Any]:
        """The shares with their 95 % intervals, the bounds of the difference, and the verdict."""
        low, high = self.difference or (None, None)
        return {
            "before": self.before.as_document(),
            "since": self.since.as_document(),
            "difference": {"low": low, "high": high},
            "verdict": self.verdict,
        }


def compare_flag_rates(before: Proportion, since: Proportion, bound: float) -> FlagRateChange:
    """Whether the share of flagged orders has changed by more than `bound`, which is from 0 to 1.

    It is a jump when the whole 99.9 % interval of the difference is beyond the bound, and steady when all of it is
    within. By Wilson's intervals of both shares (R. G. Newcombe, "Interval estimation for the difference between
    independent proportions", method 10, 1998), which hold for few orders and for shares near 0 and 1.
    """
    difference = _difference(before, since)
    verdict = FlagRateVerdict.UNCLEAR
    if difference is not None:
        if difference.low > bound:
            verdict = FlagRateVerdict.RISE
        elif difference.high < -bound:
            verdict = FlagRateVerdict.FALL
        elif -bound <= difference.low and difference.high <= bound:
            verdict = FlagRateVerdict.STEADY
    return FlagRateChange(before, since, difference, verdict)


def _difference(before: Proportion, since: Proportion) -> Interval | None:
    old, new = before.interval_at(_DEVIATIONS), since.interval_at(_DEVIATIONS)
    if old is None or new is None or min(before.whole, since.whole) < FEWEST_ORDERS:
        return None
    old_share, new_share = before.part / before.whole, since.part / since.whole
    change = new_share - old_share
    return Interval(
        change - math.hypot(new_share - new.low, old.high - old_share),
        change + math.hypot(new.high - new_share, old_share - old.low),
    )
