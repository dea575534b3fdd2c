"""Things that come one after another: each in its own slot of time, at a moment drawn from the seed."""

from datetime import datetime, timedelta
from functools import lru_cache

from marketplace_simulator.seeded_random import Dice

MILLISECOND = timedelta(milliseconds=1)


class Arrivals:
    """One arrival in every slot `every` long, from `origin` on; at most `limit` of them.

    A slot each keeps both questions free of search: when the nth came, and how many had come by a moment.
    """

    def __init__(self, origin: datetime, every: timedelta, *name: object, limit: int | None = None) -> None:
        self._origin = origin
        self._slot = every // MILLISECOND
        self._limit = limit

        def delay(index: int) -> int:
            """Milliseconds from the origin to the arrival."""
            return int((index + Dice(*name, index).fraction()) * self._slot)

        # Who goes through time in order asks for the same few again and again.
        self._delay = lru_cache(256)(delay)

    def moment(self, index: int) -> datetime:
        """When arrival `index`, counted from 0, came: to the millisecond, later than the one before."""
        return self._origin + self._delay(index) * MILLISECOND

    def count(self, moment: datetime) -> int:
        """How many had come by `moment`, itself included."""
        elapsed = (moment - self._origin) // MILLISECOND
        if elapsed < 0:
            return 0
        slot = elapsed // self._slot
        if self._limit is not None and slot >= self._limit:
            return self._limit
        return slot + (self._delay(slot) <= elapsed)
