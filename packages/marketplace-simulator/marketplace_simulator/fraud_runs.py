"""Which orders are fraud: runs of patterns at a given share of all orders."""

from datetime import datetime
from functools import cache

from marketplace_simulator.fraud_patterns import PATTERNS, Pattern
from marketplace_simulator.market import Market
from marketplace_simulator.seeded_random import Mix

_TYPICAL_LENGTH = 6
# Of the orders while a run lasts, so many are the run's.
_DENSITY = 0.5


class FraudRuns:
    """Says for each order which pattern it belongs to, so that runs stay together and the share is right over all.

    Every order adds the share to what is owed, and every fraud takes one off; a run starts when enough is owed.
    """

    def __init__(self, market: Market, share: float) -> None:
        self._market = market
        self._share = share
        self._owed = 0.0
        # Soon: who starts a producer wants to see one.
        self._enough = market.dice.fraction() * (1 - share)
        self._run: Pattern | None = None
        self._left = 0

    def next(self, moment: datetime) -> Pattern | None:
        """The pattern's run that the order at `moment`, in business time, belongs to; None for an honest one."""
        dice = self._market.dice
        self._owed += self._share
        if self._run is not None and moment.hour in self._run.hours:
            if not dice.chance(max(_DENSITY, self._share)):
                return None
        elif self._owed > self._enough:
            self._start(moment)
        else:
            self._run = None
            return None
        run = self._run
        self._owed -= 1
        self._left -= 1
        if self._left == 0:
            self._run = None
        return run

    def _start(self, moment: datetime) -> None:
        dice = self._market.dice
        kind = _kinds(moment.hour).draw(dice)
        self._run = kind(self._market, moment)
        self._left = dice.pick(kind.lengths)
        self._enough = dice.fraction() * _TYPICAL_LENGTH * (1 - self._share)


@cache
def _kinds(hour: int) -> Mix[type[Pattern]]:
    return Mix({kind: kind.weight for kind in PATTERNS if hour in kind.hours})
