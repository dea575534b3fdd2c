"""How much the process holds for its clients, all connections together.

What clients may cause in one turn of the event loop, so that others' requests get on while many send at once.

Whether a client reads what waits for it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final


class HeldBytes:
    """A sum with a limit: each connection says how much it holds now and before."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0

    def change(self, before: int, now: int) -> bool:
        """Count what a connection holds now; whether the sum is within its limit, or became smaller."""
        self.total += now - before
        return now <= before or self.total <= self.limit


# Units of work, each a piece that is parsed or a request that is started: some milliseconds in all. A look-up takes a
# handful of turns, so it is answered in tens of milliseconds however many clients there are.
UNITS: Final = 16
# Of these, for clients that send ahead of the responses: who sends one request after the other comes first.
UNITS_FOR_MORE: Final = 6


class LoopShares:
    """Gives out units of work, so many a turn; who finds none left waits in one of two queues."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._left = UNITS
        self._first: deque[Callable[[], None]] = deque()
        self._more: deque[Callable[[], None]] = deque()
        self._is_turn_coming = False

    def take(self) -> bool:
        """Whether a unit of work may be done at once; not while others wait that have a right to it."""
        if self._first or not self._left:
            return False
        self._left -= 1
        self._expect_turn()
        return True

    def wait(self, work: Callable[[], None], *, is_more: bool) -> None:
        """Do a unit of work when it is its turn; `is_more` when the client was at work already."""
        (self._more if is_more else self._first).append(work)
        self._expect_turn()

    def _expect_turn(self) -> None:
        if not self._is_turn_coming:
            self._is_turn_coming = True
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_turn_coming = False
        self._left = UNITS
        self._work(self._first, UNITS - UNITS_FOR_MORE)
        self._work(self._more, UNITS_FOR_MORE)
        if self._left < UNITS:
            self._expect_turn()

    def _work(self, queue: deque[Callable[[], None]], units: int) -> None:
        for _ in range(min(units, len(queue))):
            self._left -= 1
            queue.popleft()()


# A client for whom a response waits takes at least so much of it in this time, or what is left. (What the system has
# buffered is freed in pieces of a third of that, so clients that read 10 kB a second are safe.)
READING_SECONDS: Final = 30.0
READING_BYTES: Final = 16_384


class UnreadWatch:
    """Aborts a connection whose client reads too slowly; nothing more is written while it is watched."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0

    def start(self) -> int:
        """Begin, when something is unread; how much."""
        self.stop()
        self._unread = self._transport.get_write_buffer_size()
        if self._unread:
            self._timer = self._loop.call_later(READING_SECONDS, self._check)
        return self._unread

    def stop(self) -> None:
        """End: most of it was read, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort_unread(self) -> None:
        """End the connection now if anything is unread."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() > self._unread - READING_BYTES:
            self._transport.abort()
        else:
            self.start()
