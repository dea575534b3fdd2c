"""The one reader that keeps the ring up with the topic, while somebody listens."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from order_api.decisions.position import Position, covers
from order_api.decisions.ring import Ring
from order_api.decisions.topic import AWAY, OpenTopic, PositionLost, Topic

log = structlog.get_logger(__name__)

READ_MESSAGES: Final = 1000
FETCH_BYTES: Final = 1024 * 1024
READ_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1.0
# After the last listener has left: many come again at once.
LINGER_SECONDS: Final = 30.0
# A new tail begins so many messages a partition back. When the API was restarted, its listeners come back with ids of
# a moment ago: so they find them here, rather than each asking the broker.
BACKLOG_MESSAGES: Final = 2000
# Partitions can be added to a topic at any time.
BOUNDS_SECONDS: Final = 30.0
# Between two stretches when MANY_LISTENERS or more are there, and in proportion below: so waking them all takes a
# bounded share of the time, and what comes meanwhile goes out together.
PAUSE_SECONDS: Final = 0.1
MANY_LISTENERS: Final = 1000


class Tail:
    """Reads into the ring. Nothing runs while nobody listens; a broker that is away is tried until it is back."""

    def __init__(self, open_topic: OpenTopic, ring: Ring) -> None:
        self._open_topic = open_topic
        self._ring = ring
        self._reading: asyncio.Task[None] | None = None
        self._away = False
        self._left = 0.0
        self._closed = False
        self.listeners = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While somebody listens."""
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
            self._reading.add_done_callback(self._ended)

    def _ended(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        self._ring.clear()
        error = None if reading.cancelled() else reading.exception()
        if error is not None:
            log.error("decisions_tail_failed", exc_info=error)  # a bug of ours
        if self.listeners:  # somebody came just as it ended, or it has to be tried again
            asyncio.get_running_loop().call_later(RETRY_SECONDS if error else 0, self._start)

    def _idle(self) -> bool:
        return not self.listeners and asyncio.get_running_loop().time() - self._left > LINGER_SECONDS

    async def _read(self) -> None:
        while not self._idle():
            try:
                async with self._open_topic(FETCH_BYTES) as topic:
                    while not self._idle():
                        await self._follow(topic)
            except AWAY as error:
                if not self._away:
                    self._away = True
                    log.warning("decisions_unavailable", error=str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, topic: Topic) -> None:
        """Read on, until it is time to look at the topic's bounds again."""
        loop = asyncio.get_running_loop()
        position = await self._next_position(topic)
        if self._away:
            self._away = False
            log.info("decisions_back")
        look = loop.time() + BOUNDS_SECONDS
        try:
            while loop.time() < look and not self._idle():
                messages, position = await topic.read(position, READ_MESSAGES, READ_SECONDS)
                if messages:
                    self._ring.append(messages)
                    await asyncio.sleep(PAUSE_SECONDS * min(self.listeners / MANY_LISTENERS, 1))
        except PositionLost:
            log.warning("decisions_position_lost")  # the bounds say where it goes on

    async def _next_position(self, topic: Topic) -> Position:
        """Where to read on: at the ring's head if the topic still has it, else anew."""
        ring, (beginning, end) = self._ring, await topic.bounds()
        if ring.start is not None and len(ring.head) == len(end) and covers(ring.head, beginning):
            if covers(end, ring.head):
                return ring.head
        elif ring.start is not None and len(ring.head) < len(end):
            # Partitions were added: nobody has had anything of those.
            ring.begin(ring.head + beginning[len(ring.head) :], ring.now + beginning[len(ring.now) :])
            return ring.head
        ring.begin(tuple(map(max, beginning, (offset - BACKLOG_MESSAGES for offset in end))), end)
        return ring.head
