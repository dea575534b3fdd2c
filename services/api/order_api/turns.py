"""Turns at a costly kind of request: a key has some at a time, keys alternate, and nobody waits for long."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from order_api.problems.availability import TooBusy
from order_api.problems.refusals import TooManyAtOnce

# How many requests of one key wait for their turn, and how long.
QUEUED: Final = 64
QUEUE_SECONDS: Final = 2.0
# A refusal beyond that is held back, each for another while: clients that ask again at once cannot turn refusals into
# load, nor into waves of it.
REFUSAL_SECONDS: Final = (0.5, 1.5)


class Turns:
    """Grants up to `total` turns at a time, `per_key` of them to one key; with more keys waiting they alternate."""

    def __init__(self, total: int, per_key: int, queued: int = QUEUED, seconds: float = QUEUE_SECONDS) -> None:
        self._free = total
        self._per_key = per_key
        self._queued = queued
        self._seconds = seconds
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        """Requests that wait for a turn."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def turn(self, key_id: str) -> AsyncIterator[None]:
        """A turn for a request of a key. Raises TooManyAtOnce (the key's own requests) or TooBusy (those of others)."""
        if self._free and self._running[key_id] < self._per_key and key_id not in self._waiting:
            self._take(key_id)
        else:
            await self._queue(key_id)
        try:
            yield
        finally:
            self._give_back(key_id)

    async def _queue(self, key_id: str) -> None:
        queue = self._waiting.setdefault(key_id, deque())
        if len(queue) >= self._queued:
            await asyncio.sleep(random.uniform(*REFUSAL_SECONDS))  # noqa: S311  (spreads load, guards nothing)
            raise TooManyAtOnce(self._per_key)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(granted)
        try:
            async with asyncio.timeout(self._seconds):
                await granted
        except BaseException as error:
            if granted.done() and not granted.cancelled():
                self._give_back(key_id)  # granted just as the client left or the time was over
            elif granted in queue:
                queue.remove(granted)
                if not queue and self._waiting.get(key_id) is queue:
                    del self._waiting[key_id]
            if isinstance(error, TimeoutError):
                is_own_doing = self._running[key_id] >= self._per_key
                raise (TooManyAtOnce(self._per_key) if is_own_doing else TooBusy()) from None
            raise

    def _take(self, key_id: str) -> None:
        self._free -= 1
        self._running[key_id] += 1

    def _give_back(self, key_id: str) -> None:
        self._free += 1
        self._running[key_id] -= 1
        if not self._running[key_id]:
            del self._running[key_id]
        self._grant()

    def _grant(self) -> None:
        """Grant free turns: one per key, then that key waits behind the others."""
        granting = True
        while granting and self._free:
            granting = False
            for key_id in list(self._waiting):
                if self._free and self._running[key_id] < self._per_key:
                    granting = True
                    self._grant_first(key_id)

    def _grant_first(self, key_id: str) -> None:
        queue = self._waiting.pop(key_id)
        while queue:
            granted = queue.popleft()
            if not granted.done():
                self._take(key_id)
                granted.set_result(None)
                break
        if queue:
            self._waiting[key_id] = queue  # at the end
