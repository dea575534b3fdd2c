"""Streams of decisions: a listener resumes at its position, catches up with the topic, then follows the ring buffer."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from order_api.decisions import schemas
from order_api.decisions.filters import DecisionFilter, From, Start
from order_api.decisions.ring_buffer import RING_BYTES, RingBuffer, StreamTiming, TopicTail, encode_segment
from order_api.decisions.schemas import Position, covers, furthest
from order_api.decisions.topic_reader import TOPIC_ERRORS, HistoryReader, OpenTopic, PositionLost
from order_api.http.problems.availability import DatabaseUnavailable, ShuttingDown, TooManyListening
from order_api.http.problems.requests import NotAuthenticated

MAX_LISTENERS: Final = 10_000
# Keys and sessions that end are checked at once, but not more often than this: each check wakes all listeners.
RECHECK_SECONDS: Final = 1.0
_NOTHING: Final = nullcontext()

Check = Callable[[], Awaitable[object]]
"""Whether the client may still listen: raises NotAuthenticated when not."""


@dataclass(slots=True)
class _Listener:
    """One stream: its filter, its position, and when it ends."""

    decision_filter: DecisionFilter
    check: Check
    ends: float
    position: Position = ()
    number: int | None = None
    """Of the segment that comes next; None while it is not in the ring."""
    sent_position: Position = ()
    sent_at: float = 0.0
    checked_at: float = 0.0


class DecisionStreams:
    """All streams of the process: one ring, one tail, a few readers of the past."""

    def __init__(
        self,
        open_topic: OpenTopic,
        longest_seconds: float,
        timing: StreamTiming | None = None,
        ring_bytes: int = RING_BYTES,
    ) -> None:
        self.timing = timing or StreamTiming()
        self._ring = RingBuffer(ring_bytes)
        self._tail = TopicTail(open_topic, self._ring, self.timing)
        self._history = HistoryReader(open_topic)
        self._longest = longest_seconds
        self._closed = asyncio.Event()
        self._recheck_at = -math.inf
        self._rechecking: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """Open streams."""
        return self._tail.listeners

    def admit(self) -> None:
        """Raises TooManyListening or ShuttingDown when there is no room for another."""
        if self._closed.is_set():
            raise ShuttingDown
        if self.count >= MAX_LISTENERS:
            raise TooManyListening(MAX_LISTENERS)

    def recheck(self) -> None:
        """Have all listeners checked: a key or a session has ended."""
        if self._rechecking is None and not self._closed.is_set():
            loop = asyncio.get_running_loop()
            self._rechecking = loop.call_at(max(loop.time(), self._recheck_at + RECHECK_SECONDS), self._recheck)

    def _recheck(self) -> None:
        self._rechecking = None
        self._recheck_at = asyncio.get_running_loop().time()
        self._ring.wake()

    def release(self) -> None:
        """End all streams now."""
        self._closed.set()
        if self._rechecking is not None:
            self._rechecking.cancel()
        self._ring.wake()

    async def close(self) -> None:
        """End all streams and disconnect from the broker."""
        self.release()
        await self._tail.close()
        await self._history.close()

    async def stream(
        self,
        start: Start,
        decision_filter: DecisionFilter,
        check: Check,
        held: AbstractContextManager[None] = _NOTHING,
    ) -> AsyncIterator[bytes]:
        """Events without end, except that it ends resumably: after the longest time, at a stop, with its key.

        `held` is entered while the stream is open.
        """
        clock = asyncio.get_running_loop().time
        listener = _Listener(decision_filter, check, ends=clock() + self._longest, checked_at=clock(), sent_at=clock())
        with held, self._tail.listening():
            yield schemas.retry_field()
            while (reason := await self._find_end_reason(listener, clock())) is None:
                try:
                    chunk = await self._read_next(listener, start)
                except TOPIC_ERRORS:
                    await self._pause(self.timing.unavailable_seconds)
                    continue
                if chunk:
                    listener.sent_position, listener.sent_at = listener.position, clock()
                    yield chunk
            yield schemas.closing_comment(reason)

    async def _find_end_reason(self, listener: _Listener, now: float) -> str | None:
        """Why the stream ends, None when it continues."""
        if self._closed.is_set():
            return "the API is shutting down"
        if now >= listener.ends:
            return "it was open for long enough; resume with the last id"
        if now - listener.checked_at >= self.timing.check_seconds or listener.checked_at < self._recheck_at:
            listener.checked_at = now
            try:
                await listener.check()
            except NotAuthenticated as problem:
                return problem.detail
            except DatabaseUnavailable:
                pass  # it cannot be known now
        return None

    async def _read_next(self, listener: _Listener, start: Start) -> bytes:
        """The next bytes to send; empty when it is time to look around again."""
        if self._ring.start is None:
            await self._wait_for_change(listener)
            return b""
        if not listener.position:
            return await self._find_start(listener, start)
        if listener.number is None or listener.number < self._ring.oldest:
            return await self._catch_up(listener)
        segment = self._ring.get(listener.number)
        if segment is None:
            await self._wait_for_change(listener)
            return b""
        await asyncio.sleep(0)  # a listener that has much to catch up with lets others run
        sent, position = segment.encode(listener.position, listener.decision_filter)
        listener.number += 1
        listener.position = furthest(position, segment.end)
        return sent or self._position_event(listener)

    def _position_event(self, listener: _Listener) -> bytes:
        """Its position, when none was sent for a while: or a resume would read all of it again."""
        if (
            asyncio.get_running_loop().time() - listener.sent_at < self.timing.position_seconds
            or listener.sent_position == listener.position
        ):
            return b""
        return schemas.position_event(listener.position)

    async def _find_start(self, listener: _Listener, start: Start) -> bytes:
        """Find out where it begins, and say so unless the client did."""
        if start is From.NOW:
            listener.position = furthest(self._ring.now, self._ring.head)
            return schemas.position_event(listener.position)
        if isinstance(start, Mapping) and start.keys() == set(range(len(self._ring.head))):
            listener.position = tuple(offset for _, offset in sorted(start.items()))
            return b""
        beginning, _ = await self._history.bounds()
        if start is From.BEGINNING or not isinstance(start, Mapping):
            listener.position = beginning
            return schemas.position_event(listener.position)
        if any(partition >= len(beginning) for partition in start):
            return self._reset(listener, beginning, "the id names partitions that the topic does not have")
        # What it does not name was added to the topic since: no listener has had anything of that.
        listener.position = tuple(start.get(partition, oldest) for partition, oldest in enumerate(beginning))
        return schemas.position_event(listener.position)

    async def _catch_up(self, listener: _Listener) -> bytes:
        """Go into the ring where that is possible, else read a piece of the past."""
        listener.number = None
        ring, position = self._ring, listener.position
        if len(position) != len(ring.head) or not covers(ring.head, position):
            beginning, end = await self._history.bounds()
            if len(position) > len(end) or not covers(end[: len(position)], position):
                return self._reset(listener, beginning, "the id lies beyond the end of the topic, which is another one")
            position = listener.position = position + beginning[len(position) :]
        if ring.covers(position):
            listener.number = ring.find(position)
            return b""
        try:
            read = await self._history.read(position)
        except PositionLost:
            beginning, _ = await self._history.bounds()
            reason = "decisions after the id are gone from the topic by retention"
            return self._reset(listener, furthest(position, beginning), reason)
        sent, _ = encode_segment(read.messages, position, listener.decision_filter)
        listener.position = read.position
        return sent or self._position_event(listener)

    def _reset(self, listener: _Listener, position: Position, reason: str) -> bytes:
        """Continue with what is there."""
        listener.position = position
        return schemas.reset_event(reason, position)

    async def _wait_for_change(self, listener: _Listener) -> None:
        """Until the ring changes, or it is time to look around."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(min(self.timing.check_seconds, listener.ends - clock())):
                await self._ring.wait_for_change()
        except TimeoutError:
            pass

    async def _pause(self, seconds: float) -> None:
        """A while, unless it is over for all."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            pass
