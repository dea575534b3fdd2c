"""The newest decisions, in memory once for all who listen."""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from order_api.decisions.events import decision_event
from order_api.decisions.position import Position, covers
from order_api.decisions.wanted import EVERYTHING, Traits, Wanted, traits_of
from order_api.personal_data import mask_decision

RING_BYTES: Final = 16 * 1024 * 1024
# A listener is sent a stretch at a time: what waits for a slow one is never more.
STRETCH_MESSAGES: Final = 64
STRETCH_BYTES: Final = 32 * 1024
_MESSAGE_OVERHEAD: Final = 250  # bytes, in Python
_STRETCH_OVERHEAD: Final = 500
# Stretches whose events are kept ready: those that listeners who keep up are about to be sent.
_READY: Final = 4


class Message:
    """A message of topic `decisions`."""

    __slots__ = ("_traits", "offset", "partition", "value")

    def __init__(self, partition: int, offset: int, value: bytes) -> None:
        self.partition = partition
        self.offset = offset
        self.value = value
        self._traits: Traits | None = None

    @property
    def traits(self) -> Traits:
        """Worked out when somebody first filters."""
        if self._traits is None:
            self._traits = traits_of(self.value)
        return self._traits


class Passage(NamedTuple):
    """Events for a listener, and where it stands after them."""

    events: bytes
    position: Position


def passage(messages: Iterable[Message], position: Position, wanted: Wanted) -> Passage:
    """What a listener at `position` gets of some messages: those that it has not had and wants."""
    offsets = list(position)
    events = []
    for message in messages:
        if message.offset < offsets[message.partition]:
            continue
        offsets[message.partition] = message.offset + 1
        if wanted is EVERYTHING or wanted.matches(message.traits):
            events.append(
                decision_event(tuple(offsets), mask_decision(message.value) if wanted.masked else message.value)
            )
    return Passage(b"".join(events), tuple(offsets))


class Stretch:
    """Consecutive messages in the order that this process read them, from position `start` to `end`."""

    __slots__ = ("_ready", "end", "messages", "size", "start")

    def __init__(self, start: Position, messages: Sequence[Message]) -> None:
        self.start = start
        self.messages = messages
        self.size = _STRETCH_OVERHEAD + sum(len(message.value) + _MESSAGE_OVERHEAD for message in messages)
        offsets = list(start)
        for message in messages:
            offsets[message.partition] = message.offset + 1
        self.end: Position = tuple(offsets)
        self._ready: dict[Wanted, Passage] = {}

    def passage(self, position: Position, wanted: Wanted) -> Passage:
        """Its events for a listener; made once for all who stand at its start and want the same."""
        if position != self.start:
            return passage(self.messages, position, wanted)
        ready = self._ready.get(wanted)
        if ready is None:
            ready = self._ready[wanted] = passage(self.messages, position, wanted)
        return ready

    def forget(self) -> None:
        """Drop what was made ready."""
        self._ready.clear()


class Ring:
    """Stretches from `start` to `head`, numbered without end; the oldest go when there are too many bytes."""

    def __init__(self, capacity: int = RING_BYTES) -> None:
        self._capacity = capacity
        self._stretches: deque[Stretch] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self.oldest = 0
        self.start: Position | None = None
        self.head: Position = ()
        self.now: Position = ()

    def begin(self, start: Position, now: Position) -> None:
        """Empty it, to go on from `start`; `now` is where the topic ends at this moment."""
        self.oldest += len(self._stretches) + 1  # whoever was reading notices
        self._stretches.clear()
        self._size = 0
        self.start = self.head = start
        self.now = now
        self.wake()

    def clear(self) -> None:
        """Empty it, until it begins again."""
        self.begin((), ())
        self.start = None

    def append(self, messages: Sequence[Message]) -> None:
        """Add what was read next."""
        for part in _parts(messages):
            stretch = Stretch(self.head, part)
            self.head = stretch.end
            self._stretches.append(stretch)
            self._size += stretch.size
            if len(self._stretches) > _READY:
                self._stretches[-1 - _READY].forget()
        while self._size > self._capacity and len(self._stretches) > 1:
            gone = self._stretches.popleft()
            self._size -= gone.size
            self.start = gone.end
            self.oldest += 1
        self.wake()

    def covers(self, position: Position) -> bool:
        """Whether everything from `position` on is here."""
        start = self.start
        return start is not None and len(start) == len(position) and covers(position, start)

    def find(self, position: Position) -> int:
        """The number of the first stretch that a listener at `position` has not had all of."""
        return self.oldest + bisect_left(self._stretches, True, key=lambda stretch: not covers(position, stretch.end))

    def get(self, number: int) -> Stretch | None:
        """The stretch of a number not below `oldest`, None when it is still to come."""
        index = number - self.oldest
        return self._stretches[index] if index < len(self._stretches) else None

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._news.wait()

    def wake(self) -> None:
        """Let everybody who waits for a change look around."""
        self._news.set()
        self._news = asyncio.Event()


def _parts(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    part: list[Message] = []
    size = 0
    for message in messages:
        if part and (len(part) == STRETCH_MESSAGES or size + len(message.value) > STRETCH_BYTES):
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message.value)
    if part:
        yield part
