"""Cache that keeps a value in proportion to the cost of computing it."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

# A value that took 200 ms is kept for 2 s: computing takes at most a tenth of the time, however many ask how often.
LIFETIMES_OF_COST = 10
LONGEST_SECONDS = 10.0
MAX_KEPT = 32


@dataclass(slots=True)
class _Computation(Generic[Value]):
    """A value that is being computed, and how many requests wait for it."""

    task: "asyncio.Task[Value]"
    waiting: int = 0


class CostAwareCache(Generic[Value]):
    """Computes a value for a key once, however many ask at the same time, and keeps it in proportion to its cost.

    A computation that no request waits for any more is cancelled.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._clock = clock
        self._kept: dict[Hashable, tuple[Value, float]] = {}
        self._computing: dict[Hashable, _Computation[Value]] = {}

    def fresh(self, key: Hashable) -> Value | None:
        """The kept value, None when there is none that is fresh."""
        kept = self._kept.get(key)
        return kept[0] if kept is not None and self._clock() < kept[1] else None

    async def get(self, key: Hashable, compute: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """The kept value, or a new one; different keys are computed side by side."""
        if (value := self.fresh(key)) is not None:
            return value
        computation = self._computing.get(key)
        if computation is None:
            computation = self._computing[key] = _Computation(asyncio.create_task(self._compute(key, compute)))
        computation.waiting += 1
        try:
            return await asyncio.shield(computation.task)
        finally:
            computation.waiting -= 1
            if not computation.waiting:
                if self._computing.get(key) is computation:
                    del self._computing[key]
                await _end(computation.task)

    async def _compute(self, key: Hashable, compute: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        started = self._clock()
        value = await compute()
        finished = self._clock()
        self._kept.pop(key, None)
        while len(self._kept) >= self._max_kept:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value, finished + min(LIFETIMES_OF_COST * (finished - started), LONGEST_SECONDS)
        return value


async def _end(task: "asyncio.Task[Any]") -> None:
    """Cancel a computation that was abandoned, and wait until its connection is free again."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
