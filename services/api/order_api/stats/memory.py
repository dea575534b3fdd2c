"""Keeping what was costly to compute, for as long as its cost suggests."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")

# An answer that took 200 ms serves for 2 s: computing takes at most a tenth of the time, whoever asks how often.
LIFETIMES_OF_COST = 10
LONGEST_SECONDS = 10.0
MAX_KEPT = 32


class CostMemory(Generic[Value]):
    """Computes a value for a key once, however many ask at the same time, and keeps it in proportion to its cost."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[Value, float]] = {}
        self._computing = asyncio.Lock()

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Value]]) -> Value:
        """The kept value, or a new one. Values are computed one at a time: they are what keeps the database busy."""
        if self._is_fresh(key):
            return self._kept[key][0]
        async with self._computing:
            if self._is_fresh(key):  # somebody else computed it meanwhile
                return self._kept[key][0]
            started = self._clock()
            value = await compute()
            finished = self._clock()
            self._kept.pop(key, None)
            while len(self._kept) >= MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = value, finished + min(LIFETIMES_OF_COST * (finished - started), LONGEST_SECONDS)
            return value

    def _is_fresh(self, key: Hashable) -> bool:
        return key in self._kept and self._clock() < self._kept[key][1]
