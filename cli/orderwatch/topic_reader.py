"""Reading topics from outside: their shapes, last messages, and what is added."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from order_contract.message import Message
from order_platform.kafka.topic_client import Offsets, TopicClient
from order_platform.kafka.topics import MAX_DEAD_LETTER_BYTES
from order_platform.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class TopicShape:
    """A topic; `messages` are those that it keeps, counted by offsets."""

    name: str
    partitions: int
    messages: int


class TopicReader(TopicClient):
    """Reads any topic of the broker. Use as an async context manager."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings, auto_offset_reset="earliest", max_partition_fetch_bytes=MAX_DEAD_LETTER_BYTES)

    async def shapes(self) -> list[TopicShape]:
        """All topics but the broker's own, by name."""
        names = sorted(name for name in await self._admin.list_topics() if not name.startswith("__"))
        shapes = []
        for name in names:
            beginning, end = await self._kept(name)
            shapes.append(TopicShape(name, len(end), sum(end.values()) - sum(beginning.values())))
        return shapes

    async def last(self, topic: str, count: int) -> list[Message]:
        """The last messages of a topic over all partitions, in the order of their times."""
        beginning, end = await self._kept(topic)
        start = {part: max(beginning[part], end[part] - count) for part in end}
        records = [record async for record in self._read(start, end)]
        records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
        return records[len(records) - min(count, len(records)) :]

    async def everything(self, topic: str) -> AsyncIterator[Message]:
        """All messages that the topic keeps now."""
        beginning, end = await self._kept(topic)
        async for record in self._read(beginning, end):
            yield record

    async def kept_from_the_first(self, topic: str) -> bool:
        """Whether retention deleted nothing yet."""
        beginning, _ = await self._kept(topic)
        return not any(beginning.values())

    async def follow(self, topic: str) -> AsyncIterator[Message]:
        """Messages as they are added, without end."""
        _, end = await self._kept(topic)
        self._seek(end)
        async for record in self._consumer:
            yield record

    async def _kept(self, topic: str) -> tuple[Offsets, Offsets]:
        return await self.bounds(await self.partitions(topic))

    def _seek(self, offsets: Offsets) -> None:
        self._consumer.assign(list(offsets))
        for part, offset in offsets.items():
            self._consumer.seek(part, offset)

    async def _read(self, start: Offsets, end: Offsets) -> AsyncIterator[Message]:
        waiting = {part for part in end if start[part] < end[part]}
        self._seek({part: start[part] for part in waiting})
        while waiting:
            polled: dict[object, Iterable[Message]] = await self._consumer.getmany(timeout_ms=500)
            for part, records in polled.items():
                for record in records:
                    if record.offset < end[part]:
                        yield record
            # By position, not by record: transaction markers hold an offset, too, and are no record.
            for part in list(waiting):
                if await self._consumer.position(part) >= end[part]:
                    waiting.discard(part)
