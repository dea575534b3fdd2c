"""Changes of the share of flagged orders: jumps are found, and small numbers prove nothing."""

import random

import pytest

from decision_engine.flag_rate import FlagRateVerdict, compare_flag_rates
from decision_engine.proportion import Proportion

BOUND = 0.02


@pytest.mark.parametrize(
    ("before", "since", "verdict"),
    [
        ((0, 0), (50, 50), FlagRateVerdict.UNCLEAR),
        ((50, 1_000), (0, 0), FlagRateVerdict.UNCLEAR),
        ((2, 100), (4, 4), FlagRateVerdict.UNCLEAR),
        ((2, 100), (10, 50), FlagRateVerdict.UNCLEAR),
        ((2, 100), (20, 50), FlagRateVerdict.RISE),
        ((50, 1_000), (300, 1_000), FlagRateVerdict.RISE),
        ((300, 1_000), (0, 1_000), FlagRateVerdict.FALL),
        ((100, 10_000), (120, 10_000), FlagRateVerdict.STEADY),
        ((100, 10_000), (330, 10_000), FlagRateVerdict.UNCLEAR),
        ((0, 10_000), (0, 10_000), FlagRateVerdict.STEADY),
        ((50, 50), (0, 50), FlagRateVerdict.FALL),
    ],
)
def test_verdicts(before: tuple[int, int], since: tuple[int, int], verdict: FlagRateVerdict) -> None:
    change = compare_flag_rates(Proportion(*before), Proportion(*since), BOUND)
    assert change.verdict is verdict
    assert change.verdict.is_jump == (verdict in {FlagRateVerdict.RISE, FlagRateVerdict.FALL})
    document = change.as_document()
    assert document["before"]["whole"] == before[1]
    if change.difference is not None:
        low, high = change.difference
        assert low <= since[0] / since[1] - before[0] / before[1] <= high


def test_a_watch_that_looks_a_hundred_times_is_seldom_fooled_by_chance() -> None:
    """The share stays at 5 %, from the first order on: fewer than one watch in a hundred sees a jump."""
    chance = random.Random(7)
    before = Proportion(500, 10_000)

    def is_fooled() -> bool:
        flagged = 0
        for orders in range(1, 501):
            flagged += chance.random() < 0.05
            if orders % 5 == 0 and compare_flag_rates(before, Proportion(flagged, orders), BOUND).verdict.is_jump:
                return True
        return False

    assert sum(is_fooled() for _ in range(300)) <= 3
