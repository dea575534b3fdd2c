"""Reading topics without a consumer group: their bounds, ranges of messages, and single messages by offset or key."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaTimeoutError

from order_contract.business_time import business_text
from order_contract.message import Message
from order_platform.kafka.consumer import Consumer
from order_platform.kafka.startup import start_in_time
from order_platform.kafka.topic_identity import TopicIdentity
from order_platform.kafka.topics import MAX_DEAD_LETTER_BYTES
from order_platform.settings import KafkaSettings

# What follows within so many offsets is read on rather than sought: a seek costs a round trip.
NEAR = 500
# How far a message is looked for from where it should be.
SEARCHED = 50_000
IDLE_SECONDS: Final = 5.0

Offsets = dict[TopicPartition, int]

WHOLE_TOPICS: Final[Mapping[str, Any]] = {
    "auto_offset_reset": "earliest",
    "max_partition_fetch_bytes": MAX_DEAD_LETTER_BYTES,
}
"""Options for reading many messages."""
SINGLE_MESSAGES: Final[Mapping[str, Any]] = {"max_partition_fetch_bytes": 128 * 1024, "fetch_max_wait_ms": 5}
"""Options for finding single messages: small fetches; a larger message comes all the same."""


@dataclass(frozen=True, slots=True)
class TopicShape:
    """A topic; `messages` are those that it keeps, counted by offsets."""

    name: str
    partitions: int
    messages: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A message that could not be found, and why."""

    reason: str


Found = Message | Missing


class KeySearch(NamedTuple):
    """A message to be found by its key in a partition that exists, appended at or after `since` (ms)."""

    partition: int
    key: bytes
    since: int


class TopicReader:
    """A consumer in no group beside an admin client, open together. Use as an async context manager.

    `options` are further ones of the consumer. A partition that gives nothing for `stall_seconds`, though it has more,
    counts as unavailable. Methods raise KafkaError when the broker is unavailable.
    """

    def __init__(self, settings: KafkaSettings, *, stall_seconds: float = 30.0, **options: Any) -> None:
        self._settings = settings
        self._stall_seconds = stall_seconds
        self._consumer = Consumer(**settings.client_options(), enable_auto_commit=False, **options)
        self._admin = AIOKafkaAdminClient(**settings.client_options())

    async def __aenter__(self) -> Self:
        try:
            await start_in_time(self._consumer.start())
            await start_in_time(self._admin.start())
        except BaseException:
            # A client that failed to start has to be stopped, too, or it complains when it is collected.
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._admin.close()
        await self._consumer.stop()

    # ---- topics and their bounds

    async def list_topics(self) -> list[TopicShape]:
        """All topics but the broker's own, by name."""
        shapes = []
        for name in sorted(name for name in await self._admin.list_topics() if not name.startswith("__")):
            beginning, end = await self._topic_bounds(name)
            shapes.append(TopicShape(name, len(end), sum(end.values()) - sum(beginning.values())))
        return shapes

    async def topic_id(self, topic: str) -> UUID | None:
        """The id of a topic; None from a broker that gives none. Raises UnknownTopicOrPartitionError."""
        async with TopicIdentity(self._settings, topic) as identity:
            return await identity.read()

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """The partitions of a topic, in order; empty when the topic does not exist."""
        described = (await self._admin.describe_topics([topic]))[0]
        return sorted(TopicPartition(topic, part["partition"]) for part in described["partitions"])

    async def bounds(self, partitions: list[TopicPartition]) -> tuple[Offsets, Offsets]:
        """The oldest offset that each partition keeps, and the one that its next message gets."""
        if not partitions:
            return {}, {}
        return await self._consumer.beginning_offsets(partitions), await self._consumer.end_offsets(partitions)

    async def is_complete(self, topic: str) -> bool:
        """Whether retention deleted nothing yet."""
        beginning, _ = await self._topic_bounds(topic)
        return not any(beginning.values())

    async def _topic_bounds(self, topic: str) -> tuple[Offsets, Offsets]:
        return await self.bounds(await self.partitions(topic))

    # ---- many messages

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions, and no others, from these offsets on."""
        if self._consumer.assignment() != offsets.keys():
            self._consumer.assign(list(offsets))
        for part, offset in offsets.items():
            self._consumer.seek(part, offset)

    async def poll(self, wait_seconds: float, max_messages: int | None = None) -> tuple[list[Message], Offsets]:
        """The next messages, in offset order within each partition, and the positions after them; may be none.

        The positions count: transaction markers have an offset, too, and are not messages.
        """
        polled: dict[TopicPartition, list[Message]] = await self._consumer.getmany(
            timeout_ms=int(wait_seconds * 1000), max_records=max_messages
        )
        positions = {part: await self._consumer.position(part) for part in self._consumer.assignment()}
        return [message for messages in polled.values() for message in messages], positions

    async def read_all(self, topic: str) -> AsyncIterator[Message]:
        """All messages that the topic keeps now, in offset order within each partition."""
        async for message in self._read_range(*await self._topic_bounds(topic)):
            yield message

    async def read_last(self, topic: str, count: int) -> list[Message]:
        """The last messages of a topic over all partitions, in the order of their times."""
        beginning, end = await self._topic_bounds(topic)
        start = {part: max(beginning[part], end[part] - count) for part in end}
        messages = [message async for message in self._read_range(start, end)]
        messages.sort(key=lambda message: (message.timestamp, message.partition, message.offset))
        return messages[len(messages) - min(count, len(messages)) :]

    async def follow(self, topic: str) -> AsyncIterator[Message]:
        """Messages as they are added, without end."""
        _, end = await self._topic_bounds(topic)
        self.seek(end)
        while True:
            messages, _ = await self.poll(IDLE_SECONDS)
            for message in messages:
                yield message
            if not messages:
                # A broker that is gone sends nothing either: only a request tells the difference.
                await self._consumer.end_offsets(list(end))

    async def _read_range(self, start: Offsets, end: Offsets) -> AsyncIterator[Message]:
        waiting = {part: start[part] for part in end if start[part] < end[part]}
        if waiting:
            self.seek(waiting)
        deadline = time.monotonic() + self._stall_seconds
        while waiting:
            messages, positions = await self.poll(0.5)
            for message in messages:
                if message.offset < end[TopicPartition(message.topic, message.partition)]:
                    yield message
            before, waiting = waiting, {part: place for part, place in positions.items() if place < end[part]}
            if waiting != before:
                deadline = time.monotonic() + self._stall_seconds
            elif time.monotonic() > deadline:
                raise KafkaTimeoutError(f"nothing came for {self._stall_seconds:.0f} s from {len(waiting)} partitions")

    # ---- single messages

    async def find_at(self, topic: str, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], Found]:
        """The messages at these (partition, offset), each found or missing."""
        partitions = await self.partitions(topic)
        beginning, end = await self.bounds(partitions)
        found: dict[tuple[int, int], Found] = {
            (partition, offset): _why_missing(TopicPartition(topic, partition), offset, beginning, end)
            for partition, offset in places
        }
        for part in partitions:
            offsets = sorted(
                offset for number, offset in places
                if number == part.partition and beginning[part] <= offset < end[part]
            )  # fmt: skip
            async for message in self._read_at(part, offsets):
                found[part.partition, message.offset] = message
        return found

    async def find_by_key(self, topic: str, searches: Collection[KeySearch]) -> dict[bytes, Found]:
        """The first message with each key, each found or missing; looked for within SEARCHED messages."""
        found: dict[bytes, Found] = {}
        _, ends = await self._topic_bounds(topic)
        starts: dict[TopicPartition, dict[bytes, int]] = {part: {} for part in ends}
        first = await asyncio.gather(*(self._first_offset(topic, search) for search in searches))
        for search, start in zip(searches, first, strict=True):
            place = f"{topic}/{search.partition}"
            since = business_text(datetime.fromtimestamp(search.since / 1000, UTC))
            if start is None:
                found[search.key] = Missing(f"{place} has no record since {since}")
            else:
                found[search.key] = Missing(f"not among the {SEARCHED:,} records of {place} since {since}")
                starts[TopicPartition(topic, search.partition)][search.key] = start
        for part, by_key in starts.items():
            async for message in self._read_keys(part, by_key, ends[part]):
                found[message.key or b""] = message
        return found

    async def _first_offset(self, topic: str, search: KeySearch) -> int | None:
        part = TopicPartition(topic, search.partition)
        found = (await self._consumer.offsets_for_times({part: search.since}))[part]
        return None if found is None else int(found.offset)

    async def _read_at(self, part: TopicPartition, offsets: Sequence[int]) -> AsyncIterator[Message]:
        """The messages at ascending offsets that the partition keeps; offsets without a message are left out."""
        wanted = deque(offsets)
        cursor = _Cursor(self._consumer, part, self._stall_seconds)
        while wanted:
            cursor.go_to(wanted[0])
            for message in await cursor.read():
                while wanted and wanted[0] < message.offset:
                    wanted.popleft()
                if wanted and wanted[0] == message.offset:
                    wanted.popleft()
                    yield message
            while wanted and wanted[0] < cursor.position:
                wanted.popleft()

    async def _read_keys(self, part: TopicPartition, starts: Mapping[bytes, int], end: int) -> AsyncIterator[Message]:
        """The first message with each key, each looked for from its own start on."""
        waiting = dict(sorted(starts.items(), key=lambda item: item[1]))
        cursor = _Cursor(self._consumer, part, self._stall_seconds)
        while waiting:
            cursor.go_to(next(iter(waiting.values())))
            for message in await cursor.read():
                if message.key in waiting:
                    del waiting[message.key]
                    yield message
            for key, start in list(waiting.items()):
                if cursor.position < min(start + SEARCHED, end):
                    break
                del waiting[key]


class _Cursor:
    """A position in one partition that moves forwards only."""

    def __init__(self, consumer: Consumer, part: TopicPartition, stall_seconds: float) -> None:
        self._consumer = consumer
        self._part = part
        self._stall_seconds = stall_seconds
        self.position = -1
        consumer.assign([part])

    def go_to(self, offset: int) -> None:
        """Read on at `offset`, or before it where that is near."""
        if self.position < 0 or offset > self.position + NEAR:
            self._consumer.seek(self._part, offset)
            self.position = offset

    async def read(self) -> Sequence[Message]:
        """The next messages, at least one, or none after a step over offsets without messages. Raises KafkaError."""
        deadline = time.monotonic() + self._stall_seconds
        while time.monotonic() < deadline:
            polled: dict[TopicPartition, Sequence[Message]] = await self._consumer.getmany(self._part, timeout_ms=500)
            position = await self._consumer.position(self._part)
            if position > self.position:
                self.position = position
                return polled.get(self._part, ())
        raise KafkaTimeoutError(f"nothing came from {self._part} at {self.position} for {self._stall_seconds:.0f} s")


def _why_missing(part: TopicPartition, offset: int, beginning: Offsets, end: Offsets) -> Missing:
    place = f"{part.topic}/{part.partition}"
    if part not in end:
        return Missing(f"topic {part.topic} has no partition {part.partition}")
    if offset < beginning[part]:
        return Missing(f"retention deleted it: {place} keeps offsets from {beginning[part]} on, this was {offset}")
    if offset >= end[part]:
        return Missing(f"{place} ends before offset {offset}, at {end[part]}: was the topic created again?")
    return Missing(f"offset {offset} of {place} holds no record")
