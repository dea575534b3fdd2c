"""Finding single records on large topics: by where they stand, or by key and time."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

from order_contract.business_time import business_text
from order_contract.message import Message
from order_platform.kafka.topic_client import Offsets, TopicClient
from order_platform.kafka.topic_identity import TopicIdentity
from order_platform.settings import KafkaSettings
from orderwatch.explain.evidence import Found, Missing

# What follows is read on rather than sought: a seek costs a round trip.
NEAR = 500
# How far a record is looked for from where it should be.
SEARCHED = 50_000
# Small fetches, as one record is wanted; a larger record comes all the same.
FETCH_BYTES = 128 * 1024
FETCH_WAIT_MS = 5
STALLED_SECONDS = 30.0


class Wanted(NamedTuple):
    """A record to be found by its key in a partition that is there, appended at or after `since` (ms)."""

    partition: int
    key: bytes
    since: int


class RecordFinder(TopicClient):
    """Finds records, many at once: each partition is read forwards, once. Use as an async context manager."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings, max_partition_fetch_bytes=FETCH_BYTES, fetch_max_wait_ms=FETCH_WAIT_MS)
        self._settings = settings

    async def topic_id(self, topic: str) -> UUID | None:
        """The id of a topic; None when there is no such topic, or the broker gives none. Raises KafkaError."""
        async with TopicIdentity(self._settings, topic) as identity:
            try:
                return await identity.read()
            except UnknownTopicOrPartitionError:
                return None

    async def at(self, topic: str, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], Found]:
        """The records at these (partition, offset), each found or missing."""
        partitions = await self.partitions(topic)
        beginning, end = await self.bounds(partitions)
        found: dict[tuple[int, int], Found] = {}
        for partition, offset in places:
            part = TopicPartition(topic, partition)
            found[partition, offset] = _why_missing(part, offset, beginning, end)
        for part in partitions:
            offsets = sorted(
                offset for number, offset in places
                if number == part.partition and beginning[part] <= offset < end[part]
            )  # fmt: skip
            async for record in self._read_at(part, offsets):
                found[part.partition, record.offset] = record
        return found

    async def by_key(self, topic: str, wanted: Collection[Wanted]) -> dict[bytes, Found]:
        """The first record with each key, each found or missing; looked for within SEARCHED records."""
        found: dict[bytes, Found] = {}
        ends = (await self.bounds(await self.partitions(topic)))[1]
        starts: dict[TopicPartition, dict[bytes, int]] = {part: {} for part in ends}
        for each, start in zip(wanted, await asyncio.gather(*map(self._start, repeat(topic), wanted)), strict=True):
            place = f"{topic}/{each.partition}"
            since = business_text(datetime.fromtimestamp(each.since / 1000, UTC))
            if start is None:
                found[each.key] = Missing(f"{place} has no record since {since}")
            else:
                found[each.key] = Missing(f"not among the {SEARCHED:,} records of {place} since {since}")
                starts[TopicPartition(topic, each.partition)][each.key] = start
        for part, by_key in starts.items():
            async for record in self._read_for(part, by_key, ends[part]):
                found[record.key or b""] = record
        return found

    async def _start(self, topic: str, wanted: Wanted) -> int | None:
        """The first offset to look at."""
        part = TopicPartition(topic, wanted.partition)
        found = (await self._consumer.offsets_for_times({part: wanted.since}))[part]
        return None if found is None else int(found.offset)

    async def _read_at(self, part: TopicPartition, offsets: Sequence[int]) -> AsyncIterator[Message]:
        """The records at ascending offsets, which the partition keeps; those that are none are left out."""
        wanted = deque(offsets)
        cursor = _Cursor(self._consumer, part)
        while wanted:
            cursor.go_to(wanted[0])
            for record in await cursor.read():
                while wanted and wanted[0] < record.offset:
                    wanted.popleft()
                if wanted and wanted[0] == record.offset:
                    wanted.popleft()
                    yield record
            while wanted and wanted[0] < cursor.position:
                wanted.popleft()

    async def _read_for(self, part: TopicPartition, starts: Mapping[bytes, int], end: int) -> AsyncIterator[Message]:
        """The first record with each key, looked for from its own start on."""
        waiting = dict(sorted(starts.items(), key=lambda item: item[1]))
        cursor = _Cursor(self._consumer, part)
        while waiting:
            cursor.go_to(next(iter(waiting.values())))
            for record in await cursor.read():
                if record.key in waiting:
                    del waiting[record.key]
                    yield record
            for key, start in list(waiting.items()):
                if cursor.position < min(start + SEARCHED, end):
                    break
                del waiting[key]


class _Cursor:
    """A place in one partition that moves forwards only."""

    def __init__(self, consumer: AIOKafkaConsumer, part: TopicPartition) -> None:
        self._consumer = consumer
        self._part = part
        self.position = -1
        consumer.assign([part])

    def go_to(self, offset: int) -> None:
        """Read on at `offset`, or before it where that is near."""
        if self.position < 0 or offset > self.position + NEAR:
            self._consumer.seek(self._part, offset)
            self.position = offset

    async def read(self) -> Sequence[Message]:
        """The next records, at least one, or the step over offsets that hold none. Raises KafkaError."""
        deadline = time.monotonic() + STALLED_SECONDS
        while time.monotonic() < deadline:
            polled: dict[TopicPartition, Sequence[Message]] = await self._consumer.getmany(self._part, timeout_ms=500)
            position = await self._consumer.position(self._part)
            if position > self.position:
                self.position = position
                return polled.get(self._part, ())
        raise KafkaTimeoutError(f"nothing came of {self._part} at {self.position} for {STALLED_SECONDS:.0f} s")


def _why_missing(part: TopicPartition, offset: int, beginning: Offsets, end: Offsets) -> Missing:
    place = f"{part.topic}/{part.partition}"
    if part not in end:
        return Missing(f"topic {part.topic} has no partition {part.partition}")
    if offset < beginning[part]:
        return Missing(f"retention deleted it: {place} keeps offsets from {beginning[part]} on, this was {offset}")
    if offset >= end[part]:
        return Missing(f"{place} ends before offset {offset}, at {end[part]}: was the topic created anew?")
    return Missing(f"offset {offset} of {place} holds no record")
