"""Topic `decisions`, read by aiokafka without a consumer group: nothing is taken from anybody."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol, Self

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError

from order_api.decisions.position import Position
from order_api.decisions.ring import Message
from order_platform.kafka.topic_client import TopicClient
from order_platform.settings import KafkaSettings

CALL_SECONDS: Final = 5.0

# What a topic that cannot be reached, or is not there, raises.
AWAY: Final = (KafkaError, OSError, TimeoutError)


class PositionLost(Exception):
    """The position to read from is not on the topic: retention was faster, or the topic is another one."""


class Bounds(NamedTuple):
    """The oldest position that the topic keeps, and the one of what comes next."""

    beginning: Position
    end: Position


class Read(NamedTuple):
    """Messages, in offset order within each partition, and the position after them."""

    messages: list[Message]
    position: Position


class Topic(Protocol):
    """What the stream needs of the topic. Both raise one of AWAY."""

    async def bounds(self) -> Bounds: ...

    async def read(self, position: Position, count: int, wait_seconds: float) -> Read:
        """Up to `count` messages; waits for the first. Raises PositionLost."""


OpenTopic = Callable[[int], AbstractAsyncContextManager[Topic]]
"""Opens the topic, to fetch so many bytes of a partition at a time."""


def open_decisions(settings: KafkaSettings) -> OpenTopic:
    """How to open the real topic."""
    return lambda fetch_bytes: DecisionTopic(settings, fetch_bytes)


class DecisionTopic:
    """The real Topic. Use as an async context manager."""

    def __init__(self, settings: KafkaSettings, fetch_bytes: int) -> None:
        self._topic = settings.decisions_topic
        self._client = _Client(settings, fetch_bytes)
        self._position: Position = ()

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(CALL_SECONDS):
            await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._client.__aexit__(*exc_info)

    async def bounds(self) -> Bounds:
        async with asyncio.timeout(CALL_SECONDS):
            partitions = await self._client.partitions(self._topic)
            if not partitions:
                raise UnknownTopicOrPartitionError(f"there is no topic {self._topic}")
            beginning, end = await self._client.bounds(partitions)
        return Bounds(tuple(beginning[part] for part in partitions), tuple(end[part] for part in partitions))

    async def read(self, position: Position, count: int, wait_seconds: float) -> Read:
        if position != self._position:
            self._position = position
            self._client.seek({TopicPartition(self._topic, part): offset for part, offset in enumerate(position)})
        try:
            messages, offsets = await self._client.read(count, wait_seconds)
        except OffsetOutOfRangeError as error:
            self._position = ()
            raise PositionLost from error
        except BaseException:
            self._position = ()  # nobody knows how far it came
            raise
        self._position = tuple(offsets[TopicPartition(self._topic, part)] for part in range(len(position)))
        return Read(messages, self._position)


class _Client(TopicClient):
    """The consumer, with the bounds of TopicClient."""

    def __init__(self, settings: KafkaSettings, fetch_bytes: int) -> None:
        super().__init__(
            settings,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=fetch_bytes,
        )

    def seek(self, offsets: dict[TopicPartition, int]) -> None:
        if self._consumer.assignment() != offsets.keys():
            self._consumer.assign(list(offsets))
        for part, offset in offsets.items():
            self._consumer.seek(part, offset)

    async def read(self, count: int, wait_seconds: float) -> tuple[list[Message], dict[TopicPartition, int]]:
        polled = await self._consumer.getmany(timeout_ms=int(wait_seconds * 1000), max_records=count)
        messages = [
            Message(record.partition, record.offset, record.value)
            for records in polled.values()
            for record in records
            if record.value
        ]
        # By position, not by record: transaction markers have an offset, too, and are no record.
        return messages, {part: await self._consumer.position(part) for part in self._consumer.assignment()}
