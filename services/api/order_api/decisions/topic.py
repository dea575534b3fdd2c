"""Topic `decisions`, read by aiokafka without a consumer group: nothing is taken from anybody."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol, Self

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError

from order_api.decisions.position import Position
from order_api.decisions.ring import Message
from order_platform.kafka.topic_reader import TopicReader
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
                raise UnknownTopicOrPartitionError(f"there is no topic {self._topic}")
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
            self._position = ()  # nobody knows how far it came
            raise
        self._position = tuple(offsets[TopicPartition(self._topic, part)] for part in range(len(position)))
        values = [Message(each.partition, each.offset, each.value) for each in messages if each.value]
        return Read(values, self._position)
