"""Topic `decisions`, read by aiokafka without a consumer group, and the pool of readers for its older messages."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError

from order_api.decisions.filters import FilterFields, read_filter_fields
from order_api.decisions.schemas import Position
from order_platform.kafka.topic_reader import TopicReader
from order_platform.settings import KafkaSettings

CALL_SECONDS: Final = 5.0

# What a topic that cannot be reached, or does not exist, raises.
TOPIC_ERRORS: Final = (KafkaError, OSError, TimeoutError)


class PositionLost(Exception):
    """The position to read from is not on the topic: retention deleted it, or the topic was created again."""


class DecisionMessage:
    """A message of topic `decisions`."""

    __slots__ = ("_filter_fields", "offset", "partition", "value")

    def __init__(self, partition: int, offset: int, value: bytes) -> None:
        self.partition = partition
        self.offset = offset
        self.value = value
        self._filter_fields: FilterFields | None = None

    @property
    def filter_fields(self) -> FilterFields:
        """Decoded when a listener first filters."""
        if self._filter_fields is None:
            self._filter_fields = read_filter_fields(self.value)
        return self._filter_fields


class Bounds(NamedTuple):
    """The oldest position that the topic keeps, and the one of what comes next."""

    beginning: Position
    end: Position


class Read(NamedTuple):
    """Messages, in offset order within each partition, and the position after them."""

    messages: list[DecisionMessage]
    position: Position


class Topic(Protocol):
    """What the stream needs of the topic. Both raise one of TOPIC_ERRORS."""

    async def bounds(self) -> Bounds: ...

    async def read(self, position: Position, count: int, wait_seconds: float) -> Read:
        """Up to `count` messages; waits for the first. Raises PositionLost."""


OpenTopic = Callable[[int], AbstractAsyncContextManager[Topic]]
"""Opens the topic, to fetch so many bytes per partition at a time."""


def open_decisions(settings: KafkaSettings) -> OpenTopic:
    """How to open the real topic."""
    return lambda fetch_bytes: DecisionTopic(settings, fetch_bytes)


class DecisionTopic:
    """The real Topic. Use as an async context manager."""

    def __init__(self, settings: KafkaSettings, fetch_bytes: int) -> None:
        self._topic = settings.decisions_topic
        self._reader = TopicReader(
            settings,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=fetch_bytes,
        )
        self._position: Position = ()

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(CALL_SECONDS):
            await self._reader.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._reader.__aexit__(*exc_info)

    async def bounds(self) -> Bounds:
        async with asyncio.timeout(CALL_SECONDS):
            partitions = await self._reader.partitions(self._topic)
            if not partitions:
                raise UnknownTopicOrPartitionError(f"topic {self._topic} does not exist")
            beginning, end = await self._reader.bounds(partitions)
        return Bounds(tuple(beginning[part] for part in partitions), tuple(end[part] for part in partitions))

    async def read(self, position: Position, count: int, wait_seconds: float) -> Read:
        if position != self._position:
            self._position = position
            self._reader.seek({TopicPartition(self._topic, part): offset for part, offset in enumerate(position)})
        try:
            messages, offsets = await self._reader.poll(wait_seconds, count)
        except OffsetOutOfRangeError as error:
            self._position = ()
            raise PositionLost from error
        except BaseException:
            self._position = ()  # how far it came is unknown
            raise
        self._position = tuple(offsets[TopicPartition(self._topic, part)] for part in range(len(position)))
        values = [DecisionMessage(each.partition, each.offset, each.value) for each in messages if each.value]
        return Read(values, self._position)


Result = TypeVar("Result")

READERS: Final = 4
READ_MESSAGES: Final = 128
READ_SECONDS: Final = 1.0
# Of each partition at a time: what is fetched beyond a piece is thrown away when the reader continues elsewhere.
FETCH_BYTES: Final = 32 * 1024
# Messages that aiokafka fetched and that were never taken refer to themselves, so only the collector frees them,
# which runs rarely here.
JUMPS_TO_COLLECT: Final = 64
# An open reader keeps fetching; opening one takes as long as some hundred reads.
LINGER_SECONDS: Final = 5.0


class _Reader:
    """An open topic, and its position."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.position: Position = ()
        self.topic: Topic

    async def read(self, position: Position) -> Read:
        """The next messages from `position` on."""
        read = await self.topic.read(position, READ_MESSAGES, READ_SECONDS)
        self.position = read.position
        return read


class HistoryReader:
    """Reads older messages in pieces: no listener holds a reader while its client is slow.

    What was begun is finished, also when its listener has left: a Kafka client that is cancelled halfway is never
    closed.
    """

    def __init__(self, open_topic: OpenTopic, readers: int = READERS) -> None:
        self._open_topic = open_topic
        self._free = asyncio.Semaphore(readers)
        self._open: list[_Reader] = []
        self._closing: asyncio.TimerHandle | None = None
        self._jumps = 0
        self._working: set[asyncio.Task[Any]] = set()

    async def bounds(self) -> Bounds:
        """The topic's bounds now. Raises one of TOPIC_ERRORS."""
        return await self._finish(self._use((), lambda reader: reader.topic.bounds()))

    async def read(self, position: Position) -> Read:
        """Some messages from `position` on. Raises PositionLost, or one of TOPIC_ERRORS."""
        return await self._finish(self._use(position, lambda reader: reader.read(position)))

    async def close(self) -> None:
        """Finish what is under way, and close all readers."""
        if self._closing is not None:
            self._closing.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._close_open()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _finish(self, work: Coroutine[None, None, Result]) -> Result:
        return await asyncio.shield(self._spawn(work))

    def _spawn(self, work: Coroutine[None, None, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    async def _use(self, position: Position, work: Callable[[_Reader], Awaitable[Result]]) -> Result:
        async with self._free:
            reader = await self._take(position)
            try:
                result = await work(reader)
            except BaseException:
                await reader.stack.aclose()
                raise
            self._give_back(reader)
            return result

    async def _take(self, position: Position) -> _Reader:
        """A reader at `position`, else any, else a new one."""
        if not self._open:
            reader = _Reader()
            reader.topic = await reader.stack.enter_async_context(self._open_topic(FETCH_BYTES))
            return reader
        index = next((i for i, reader in enumerate(self._open) if reader.position == position), None)
        if index is None:
            index = 0
            self._jumps += 1
            if self._jumps % JUMPS_TO_COLLECT == 0:
                gc.collect(1)
        return self._open.pop(index)

    def _give_back(self, reader: _Reader) -> None:
        self._open.append(reader)
        if self._closing is not None:
            self._closing.cancel()
        self._closing = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_open)

    def _close_open(self) -> None:
        while self._open:
            self._spawn(self._open.pop().stack.aclose())
