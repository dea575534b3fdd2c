"""Fair turns at costly requests: bounded for each key, alternating between keys, with short queues."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

from fastapi import Request

from order_api.http.problems.availability import TooBusy
from order_api.http.problems.rejections import TooManyAtOnce
from order_api.http.problems.requests import ClientDisconnected
from order_api.kit.database import Database

# How many requests of one key wait for their turn, and how long.
QUEUED: Final = 64
QUEUE_SECONDS: Final = 2.0
# A rejection beyond that is delayed, each for another time: clients that ask again at once cannot turn rejections into
# load, nor into waves of it.
REJECTION_SECONDS: Final = (0.5, 1.5)


class OpenRequests:
    """Counts requests that stay open, those that wait and streams, so that one key leaves room for others."""

    def __init__(self, per_key: int) -> None:
        self._per_key = per_key
        self._open: Counter[str] = Counter()

    def admit(self, key_id: str) -> None:
        """Raises TooManyAtOnce when the key has as many as one key may."""
        if self._open[key_id] >= self._per_key:
            raise TooManyAtOnce(self._per_key)

    @contextmanager
    def hold(self, key_id: str) -> Iterator[None]:
        """One more is open until the block ends."""
        self._open[key_id] += 1
        try:
            yield
        finally:
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]


class FairTurns:
    """Grants up to `total` turns at a time, `per_key` of them to one key; with more keys waiting they alternate."""

    def __init__(
        self,
        total: int,
        per_key: int,
        *,
        queued: int = QUEUED,
        seconds: float = QUEUE_SECONDS,
        rejection_seconds: tuple[float, float] = REJECTION_SECONDS,
    ) -> None:
        self._rejection_seconds = rejection_seconds
        self.free = total
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
        if self.free and self._running[key_id] < self._per_key and key_id not in self._waiting:
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
            await asyncio.sleep(random.uniform(*self._rejection_seconds))  # noqa: S311  (spreads load, guards nothing)
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
        self.free -= 1
        self._running[key_id] += 1

    def _give_back(self, key_id: str) -> None:
        self.free += 1
        self._running[key_id] -= 1
        if not self._running[key_id]:
            del self._running[key_id]
        self._grant()

    def _grant(self) -> None:
        """Grant free turns: one per key, then that key waits behind the others."""
        granting = True
        while granting and self.free:
            granting = False
            for key_id in list(self._waiting):
                if self.free and self._running[key_id] < self._per_key:
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


Result = TypeVar("Result")

# Most work is done by then, and spared the watching.
UNWATCHED_SECONDS: Final = 0.02


async def wait_for_disconnect(request: Request) -> None:
    """Returns when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def while_connected(request: Request, work: Awaitable[Result]) -> Result:
    """The result of `work`. Cancels it, with its query, and raises ClientDisconnected on a hang-up."""
    loop = asyncio.get_running_loop()
    watching: asyncio.Task[None] | None = None

    def watch() -> None:
        nonlocal watching
        watching = loop.create_task(wait_for_disconnect(request))
        watching.add_done_callback(hung_up)

    def hung_up(watched: "asyncio.Task[None]") -> None:
        if not watched.cancelled():
            connected.reschedule(loop.time())

    starting = loop.call_later(UNWATCHED_SECONDS, watch)
    try:
        async with asyncio.timeout(None) as connected:
            return await work
    except TimeoutError:
        if connected.expired():
            raise ClientDisconnected from None
        raise
    finally:
        starting.cancel()
        if watching is not None:
            watching.cancel()


class FairPool:
    """One kind of costly request."""

    def __init__(self, database: Database, turns: FairTurns) -> None:
        self.database = database
        self.turns = turns

    async def run(self, request: Request, key_id: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
        """The result of `work` for a key. Raises TooManyAtOnce, TooBusy, or ClientDisconnected on a hang-up."""

        async def take_turn() -> Result:
            async with self.turns.turn(key_id):
                return await work(self.database)

        return await while_connected(request, take_turn())
