"""A proportion of what was counted, with its interval: a few labels prove little, and the interval says how little."""

import math
from typing import Any, Final, NamedTuple

DEVIATIONS: Final = 1.959963984540054
"""Of the normal distribution: an interval holds the true proportion in 95 of 100 cases."""


class Interval(NamedTuple):
    """The bounds of a proportion, from 0 to 1."""

    low: float
    high: float


class Proportion(NamedTuple):
    """`part` of `whole`, such as the fraud among the labelled orders that a rule flagged."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The quotient; None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval; None of nothing."""
        return self.interval_at(DEVIATIONS)

    def interval_at(self, deviations: float) -> Interval | None:
        """The interval by Wilson's score at a confidence given in deviations of the normal distribution.

        None of nothing. Unlike the textbook's it holds for few cases and for proportions near 0 and 1: E. B. Wilson,
        "Probable inference, the law of succession, and statistical inference", 1927.
        """
        if not self.whole:
            return None
        share, spread = self.part / self.whole, deviations**2 / self.whole
        centre = share + spread / 2
        half = deviations * math.sqrt((share * (1 - share) + spread / 4) / self.whole)
        low, high = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
        # Rounding must not put the proportion outside: none of 69 is 0, and the lower bound came out as 3e-18.
        return Interval(max(0.0, min(low, share)), min(1.0, max(high, share)))

    def as_document(self) -> dict[str, Any]:
        """`part`, `whole`, `value`, and the interval as `low` and `high`; the last three are None of nothing."""
        low, high = self.interval or (None, None)
        return {**self._asdict(), "value": self.value, "low": low, "high": high}
