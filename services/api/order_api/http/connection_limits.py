"""Limits over connections: bytes held in all, work per turn of the event loop, and clients that read too slowly."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Clients may end a request with an empty line too many (RFC 9112, 2.2).
MAX_BLANK_BYTES: Final = 1024
# Chunk sizes, chunk extensions and trailer fields of one body; as much as a body of one-digit chunks needs.
MAX_FRAMING_BYTES: Final = 65_536
# Of one request: the application takes 64 KiB, the rest is read for the sake of the next request only.
MAX_BODY_BYTES_READ: Final = 16_777_216
# The parser gets this much at a time, so a limit is exceeded by no more, and no more requests are parsed ahead.
PIECE_BYTES: Final = 1024
# Bytes of later requests that wait unparsed; beyond, the socket is not read.
MAX_WAITING_BYTES: Final = 16_384
# Incomplete requests and unread responses of all connections together.
MAX_HELD_BYTES: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long a connection may take for each of its parts, and connections for liveness probes."""

    head_seconds: float = 10.0
    body_seconds: float = 30.0
    stopping_seconds: float = 3.0
    """What is not read when the server stops is dropped then; less than what it gives all responses."""
    reading_seconds: float = 30.0
    """A client for whom a response waits takes READING_BYTES of it in this time, or what is left."""
    probe_connections: int = 100
    """Beyond the limit of connections these many are open for liveness probes, the newest ones."""
    probe_seconds: float = 1.0


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


# What a client reads at least of a response that waits for it, in `reading_seconds`. (What the system has buffered is
# freed in pieces of a third of that, so clients that read 10 kB a second are safe.)
READING_BYTES: Final = 16_384


class UnreadWatch:
    """Aborts a connection whose client reads too slowly; nothing more is written while it is watched."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._seconds = seconds
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0

    def start(self) -> int:
        """Begin, when something is unread; how much."""
        self.stop()
        self._unread = self._transport.get_write_buffer_size()
        if self._unread:
            self._timer = self._loop.call_later(self._seconds, self._check)
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
