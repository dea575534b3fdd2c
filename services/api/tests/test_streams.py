"""Streams over a topic that the test holds in its hand: what the real broker shows only after a long time."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import KafkaConnectionError

from order_api.decisions.filters import EVERYTHING, DecisionFilter, From, Start
from order_api.decisions.ring_buffer import StreamTiming
from order_api.decisions.schemas import Position
from order_api.decisions.stream import DecisionStreams
from order_api.decisions.topic_reader import Bounds, DecisionMessage, PositionLost, Read
from order_api.http.problems.availability import ShuttingDown
from tests.support.waiting import until


class FakeTopic:
    """Partitions as lists; `gone` of each were deleted by retention."""

    def __init__(self, partitions: int = 2) -> None:
        self.partitions: list[list[bytes]] = [[] for _ in range(partitions)]
        self.gone = [0] * partitions
        self.away = False
        self.opened = 0
        self.open_now = 0

    @asynccontextmanager
    async def open(self, fetch_bytes: int) -> AsyncIterator["FakeTopic"]:
        if self.away:
            raise KafkaConnectionError("unreachable")
        self.opened += 1
        self.open_now += 1
        try:
            yield self
        finally:
            self.open_now -= 1

    def add(self, partition: int, *names: str) -> None:
        self.partitions[partition] += [f'{{"n":"{name}","user_id":"u"}}'.encode() for name in names]

    async def bounds(self) -> Bounds:
        if self.away:
            raise KafkaConnectionError("gone")
        return Bounds(tuple(self.gone), tuple(map(len, self.partitions)))

    async def read(self, position: Position, count: int, wait_seconds: float) -> Read:
        await asyncio.sleep(0.001)
        if self.away:
            raise KafkaConnectionError("gone")
        if any(not gone <= offset <= len(part) for gone, offset, part in zip(self.gone, position, self.partitions)):  # noqa: B905
            raise PositionLost
        messages, offsets = [], list(position)
        for number in range(len(position)):
            for value in self.partitions[number][offsets[number] :][:count]:
                messages.append(DecisionMessage(number, offsets[number], value))
                offsets[number] += 1
        return Read(messages, tuple(offsets))


async def permitted() -> None:
    """A key that stays valid."""


class Listener:
    """Reads a stream as fast as the test wants."""

    def __init__(self, streams: DecisionStreams, start: Start, wanted: DecisionFilter = EVERYTHING) -> None:
        self.chunks = aiter(streams.stream(start, wanted, permitted))
        self.text = ""

    async def read(self) -> None:
        self.text += (await asyncio.wait_for(anext(self.chunks), 10)).decode()

    async def names(self, count: int) -> list[str]:
        while len(found := re.findall('"n":"([^"]*)"', self.text)) < count:
            await self.read()
        return found

    async def close(self) -> None:
        await self.chunks.aclose()  # type: ignore[attr-defined]


@pytest.fixture
def topic() -> FakeTopic:
    return FakeTopic()


@pytest.fixture
async def streams(topic: FakeTopic) -> AsyncIterator[DecisionStreams]:
    timing = StreamTiming(retry_seconds=0.01, unavailable_seconds=0.01)
    streams = DecisionStreams(topic.open, 3600, timing, ring_bytes=50 * 1024)
    yield streams
    await streams.close()
    assert topic.open_now == 0


async def test_a_slow_listener_falls_out_of_the_ring_and_misses_nothing(
    topic: FakeTopic, streams: DecisionStreams
) -> None:
    slow, quick = Listener(streams, From.NOW), Listener(streams, From.NOW)
    for listener in (slow, quick):
        while "id:" not in listener.text:
            await listener.read()
    names = [f"m{number}" for number in range(3000)]
    for start in range(0, 3000, 100):
        topic.add(start // 100 % 2, *names[start : start + 100])
        await quick.names(start + 100)
    assert sorted(await slow.names(3000)) == sorted(await quick.names(3000)) == sorted(names)
    assert "reset" not in slow.text
    await slow.close()
    await quick.close()


async def test_a_slow_listener_is_reset_by_retention(topic: FakeTopic, streams: DecisionStreams) -> None:
    topic.add(0, *[f"m{number}" for number in range(5000)])
    listener = Listener(streams, From.BEGINNING)
    had = await listener.names(1)
    topic.gone = [4000, 0]
    names = await listener.names(len(had) + 1000)
    assert listener.text.count("event: reset") == 1
    assert '"from":"0:4000,1:0"' in listener.text
    assert names == had + [f"m{number}" for number in range(4000, 5000)]
    await listener.close()


async def test_partitions_that_are_added_are_read(topic: FakeTopic, streams: DecisionStreams) -> None:
    streams.timing.bounds_seconds = 0.01
    listener = Listener(streams, From.NOW)
    topic.add(0, "before")
    while "id:" not in listener.text:
        await listener.read()
    topic.partitions.append([])
    topic.gone.append(0)
    topic.add(2, "new")
    topic.add(0, "old")
    assert sorted((await listener.names(2))[-2:]) == ["new", "old"]
    again = Listener(streams, {0: 2, 1: 0})  # an id from before
    assert await again.names(1) == ["new"]
    await listener.close()
    await again.close()


async def test_an_outage_is_waited_for(topic: FakeTopic, streams: DecisionStreams) -> None:
    topic.away = True
    listener = Listener(streams, From.BEGINNING)
    await listener.read()
    reading = asyncio.create_task(listener.names(1))
    await asyncio.sleep(0.05)
    topic.add(1, "a")
    topic.away = False
    assert await reading == ["a"]
    topic.away = True
    topic.add(1, "b")
    reading = asyncio.create_task(listener.names(2))
    await asyncio.sleep(0.05)
    topic.away = False
    assert await reading == ["a", "b"]
    await listener.close()


async def test_nothing_is_read_without_listeners(topic: FakeTopic, streams: DecisionStreams) -> None:
    streams.timing.linger_seconds = 0.05
    assert topic.opened == 0
    listener = Listener(streams, From.NOW)
    await listener.read()
    await until(lambda: topic.open_now == 1, "the tail to begin")
    await listener.close()
    assert streams.count == 0
    await until(lambda: topic.open_now == 0, "the tail to end")
    again = Listener(streams, From.NOW)
    await again.read()
    await until(lambda: topic.open_now == 1, "the tail to begin again")
    await again.close()


async def test_a_filtered_stream_says_where_it_stands(topic: FakeTopic, streams: DecisionStreams) -> None:
    streams.timing.position_seconds = 0.0
    listener = Listener(streams, From.NOW, DecisionFilter(user_id="unknown"))
    while "id:" not in listener.text:
        await listener.read()
    topic.add(0, "a", "b")
    while "id: 0:2,1:0\n" not in listener.text:
        await listener.read()
    assert "event:" not in listener.text
    await listener.close()


async def test_a_shutdown_ends_all_streams(streams: DecisionStreams) -> None:
    listener = Listener(streams, From.NOW)
    await listener.read()
    reading = asyncio.create_task(listener.names(1))
    await asyncio.sleep(0.01)
    streams.release()
    with pytest.raises(StopAsyncIteration):
        await reading
    assert "shutting down" in listener.text
    with pytest.raises(ShuttingDown):
        streams.admit()
