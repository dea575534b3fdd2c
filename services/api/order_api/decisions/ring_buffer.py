"""Ring buffer of the newest decisions, once for all listeners of the process, and the reader that fills it."""

import asyncio
import contextlib
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from order_api.auth.personal_data import mask_decision
from order_api.decisions.filters import EVERYTHING, DecisionFilter
from order_api.decisions.schemas import Position, covers, decision_event
from order_api.decisions.topic_reader import TOPIC_ERRORS, DecisionMessage, OpenTopic, PositionLost, Topic
from order_platform.outage_log import OutageLog

RING_BYTES: Final = 16 * 1024 * 1024
# A listener is sent a segment at a time: what waits for a slow one is never more.
SEGMENT_MESSAGES: Final = 64
SEGMENT_BYTES: Final = 32 * 1024
_MESSAGE_OVERHEAD: Final = 250  # bytes, in Python
_SEGMENT_OVERHEAD: Final = 500
# Segments whose events are kept ready: those that listeners who keep up are about to be sent.
_KEPT_ENCODED: Final = 4


class EncodedSegment(NamedTuple):
    """Events for a listener, and its position after them."""

    events: bytes
    position: Position


def encode_segment(
    messages: Iterable[DecisionMessage], position: Position, decision_filter: DecisionFilter
) -> EncodedSegment:
    """What a listener at `position` gets of some messages: those that it has not had and wants."""
    offsets = list(position)
    events = []
    for message in messages:
        if message.offset < offsets[message.partition]:
            continue
        offsets[message.partition] = message.offset + 1
        if decision_filter is EVERYTHING or decision_filter.matches(message.filter_fields):
            events.append(
                decision_event(
                    tuple(offsets), mask_decision(message.value) if decision_filter.masked else message.value
                )
            )
    return EncodedSegment(b"".join(events), tuple(offsets))


class Segment:
    """Consecutive messages in the order that this process read them, from position `start` to `end`."""

    __slots__ = ("_encoded", "end", "messages", "size", "start")

    def __init__(self, start: Position, messages: Sequence[DecisionMessage]) -> None:
        self.start = start
        self.messages = messages
        self.size = _SEGMENT_OVERHEAD + sum(len(message.value) + _MESSAGE_OVERHEAD for message in messages)
        offsets = list(start)
        for message in messages:
            offsets[message.partition] = message.offset + 1
        self.end: Position = tuple(offsets)
        self._encoded: dict[DecisionFilter, EncodedSegment] = {}

    def encode(self, position: Position, decision_filter: DecisionFilter) -> EncodedSegment:
        """Its events for a listener; encoded once for all listeners at its start with the same filter."""
        if position != self.start:
            return encode_segment(self.messages, position, decision_filter)
        ready = self._encoded.get(decision_filter)
        if ready is None:
            ready = self._encoded[decision_filter] = encode_segment(self.messages, position, decision_filter)
        return ready

    def forget(self) -> None:
        """Drop the encoded events."""
        self._encoded.clear()


class RingBuffer:
    """Segments from `start` to `head`, numbered without end; the oldest are dropped when there are too many bytes."""

    def __init__(self, capacity: int = RING_BYTES) -> None:
        self._capacity = capacity
        self._segments: deque[Segment] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self.oldest = 0
        self.start: Position | None = None
        self.head: Position = ()
        self.now: Position = ()

    def begin(self, start: Position, now: Position) -> None:
        """Empty it, to continue from `start`; `now` is where the topic ends at this moment."""
        self.oldest += len(self._segments) + 1  # listeners that were reading notice
        self._segments.clear()
        self._size = 0
        self.start = self.head = start
        self.now = now
        self.wake()

    def clear(self) -> None:
        """Empty it, until it begins again."""
        self.begin((), ())
        self.start = None

    def append(self, messages: Sequence[DecisionMessage]) -> None:
        """Add what was read next."""
        for part in _split(messages):
            segment = Segment(self.head, part)
            self.head = segment.end
            self._segments.append(segment)
            self._size += segment.size
            if len(self._segments) > _KEPT_ENCODED:
                self._segments[-1 - _KEPT_ENCODED].forget()
        while self._size > self._capacity and len(self._segments) > 1:
            gone = self._segments.popleft()
            self._size -= gone.size
            self.start = gone.end
            self.oldest += 1
        self.wake()

    def covers(self, position: Position) -> bool:
        """Whether everything from `position` on is here."""
        start = self.start
        return start is not None and len(start) == len(position) and covers(position, start)

    def find(self, position: Position) -> int:
        """The number of the first segment that a listener at `position` has not had all of."""
        return self.oldest + bisect_left(self._segments, True, key=lambda segment: not covers(position, segment.end))

    def get(self, number: int) -> Segment | None:
        """The segment of a number not below `oldest`, None when it is still to come."""
        index = number - self.oldest
        return self._segments[index] if index < len(self._segments) else None

    async def wait_for_change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def wake(self) -> None:
        """Wake all listeners that wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()


def _split(messages: Sequence[DecisionMessage]) -> Iterator[Sequence[DecisionMessage]]:
    part: list[DecisionMessage] = []
    size = 0
    for message in messages:
        if part and (len(part) == SEGMENT_MESSAGES or size + len(message.value) > SEGMENT_BYTES):
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message.value)
    if part:
        yield part


log = structlog.get_logger(__name__)

READ_MESSAGES: Final = 1000
FETCH_BYTES: Final = 1024 * 1024
READ_SECONDS: Final = 1.0
# A new tail begins so many messages back in each partition. When the API was restarted, its listeners reconnect with
# ids of a moment ago: so they find them here, rather than each asking the broker.
HISTORY_MESSAGES: Final = 2000
# Between two segments when MANY_LISTENERS or more are there, and in proportion below: so waking them all takes a
# bounded share of the time, and what arrives in the meantime is sent together.
PAUSE_SECONDS: Final = 0.1
MANY_LISTENERS: Final = 1000


@dataclass(slots=True)
class StreamTiming:
    """Seconds between the steps of streams and of their reader."""

    check_seconds: float = 10.0
    """How long a revoked key can still listen when no notification of its end arrives."""
    unavailable_seconds: float = 1.0
    position_seconds: float = 5.0
    """A filtered stream sends its position when it was silent for this long while others were sent something."""
    retry_seconds: float = 1.0
    linger_seconds: float = 30.0
    """How long the reader stays after the last listener has left: many reconnect at once."""
    bounds_seconds: float = 30.0
    """Between looks at the topic's partitions, which can be added at any time."""


class TopicTail:
    """Fills the ring. Nothing runs without listeners; an unavailable broker is tried until it recovers."""

    def __init__(self, open_topic: OpenTopic, ring: RingBuffer, timing: StreamTiming) -> None:
        self._timing = timing
        self._open_topic = open_topic
        self._ring = ring
        self._reading: asyncio.Task[None] | None = None
        self._outage = OutageLog("decisions")
        self._left = 0.0
        self._closed = False
        self.listeners = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While a listener is there."""
        self.listeners += 1
        self._start()
        try:
            yield
        finally:
            self.listeners -= 1
            self._left = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Stop reading, for good."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    def _start(self) -> None:
        if self._reading is None and not self._closed:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._on_done)

    def _on_done(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        self._ring.clear()
        error = None if reading.cancelled() else reading.exception()
        if error is not None:
            log.error("decisions_tail_failed", exc_info=error)  # a bug
        if self.listeners:  # one came just as it ended, or it has to be tried again
            asyncio.get_running_loop().call_later(self._timing.retry_seconds if error else 0, self._start)

    def _is_idle(self) -> bool:
        return not self.listeners and asyncio.get_running_loop().time() - self._left > self._timing.linger_seconds

    async def _read(self) -> None:
        while not self._is_idle():
            try:
                async with self._open_topic(FETCH_BYTES) as topic:
                    while not self._is_idle():
                        await self._follow(topic)
            except TOPIC_ERRORS as error:
                self._outage.failed(error)
                await asyncio.sleep(self._timing.retry_seconds)

    async def _follow(self, topic: Topic) -> None:
        """Read until it is time to look at the topic's bounds again."""
        loop = asyncio.get_running_loop()
        position = await self._next_position(topic)
        self._outage.succeeded()
        look = loop.time() + self._timing.bounds_seconds
        try:
            while loop.time() < look and not self._is_idle():
                messages, position = await topic.read(position, READ_MESSAGES, READ_SECONDS)
                if messages:
                    self._ring.append(messages)
                    await asyncio.sleep(PAUSE_SECONDS * min(self.listeners / MANY_LISTENERS, 1))
        except PositionLost:
            log.warning("decisions_position_lost")  # the bounds say where it continues

    async def _next_position(self, topic: Topic) -> Position:
        """Where to read next: at the ring's head if the topic still has it, else a new start."""
        ring, (beginning, end) = self._ring, await topic.bounds()
        if ring.start is not None and len(ring.head) == len(end) and covers(ring.head, beginning):
            if covers(end, ring.head):
                return ring.head
        elif ring.start is not None and len(ring.head) < len(end):
            # Partitions were added: no listener has had anything of those.
            ring.begin(ring.head + beginning[len(ring.head) :], ring.now + beginning[len(ring.now) :])
            return ring.head
        ring.begin(tuple(map(max, beginning, (offset - HISTORY_MESSAGES for offset in end))), end)
        return ring.head
