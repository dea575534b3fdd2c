"""Order ids that sort by time: ULIDs."""

from marketplace_simulator.seeded_random import Dice

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_TIME_SHIFTS = (40, 30, 20, 10, 0)
_CHANCE_SHIFTS = (70, 60, 50, 40, 30, 20, 10, 0)


class OrderIds:
    """Makes ids of a moment and of chance: 48 bits of milliseconds since 1970, then 80 drawn ones, 26 characters.

    Within one millisecond each id is the one before plus one, so ids made in order of time sort like that.
    """

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._millisecond = -1
        self._prefix = ""
        self._chance = 0

    def next(self, millisecond: int) -> str:
        """The next order id, for a time in milliseconds since 1970."""
        if millisecond == self._millisecond:
            self._chance += 1
        else:
            self._millisecond = millisecond
            self._prefix = "".join([_PAIRS[millisecond >> shift & 1023] for shift in _TIME_SHIFTS])
            # One bit is left free, so that counting up does not run over.
            self._chance = self._dice.below(1 << 39) << 40 | self._dice.below(1 << 40)
        return self._prefix + "".join([_PAIRS[self._chance >> shift & 1023] for shift in _CHANCE_SHIFTS])
