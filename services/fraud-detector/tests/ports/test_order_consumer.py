"""Tests of the port OrderConsumer, on the simulation's fake and on Kafka."""

import asyncio
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from fraud_detector.stream.kafka_consumer import KafkaOrderConsumer
from fraud_detector.stream.ports import CommitRefusedError, LostOffsetsError, OrderConsumer
from order_contract.message import Message
from order_platform.settings import KafkaSettings
from simulation.fakes import FakeBroker, FakeOrderConsumer
from simulation.scripted_random import ScriptedRandom

PARTITIONS = 4

# With a session that outlasts the test, so that only its removal frees its partitions.
_MEMBER: Final = """
import asyncio, sys
from pathlib import Path
from fraud_detector.stream import kafka_consumer
from order_platform.settings import KafkaSettings

class Listener:
    async def revoked(self):
        pass

    def assigned(self, partitions):
        print("assigned", len(partitions), flush=True)

async def main():
    kafka_consumer.SESSION_TIMEOUT_MS = 600_000
    consumer = kafka_consumer.KafkaOrderConsumer(KafkaSettings(), members=Path(sys.argv[1]))
    await consumer.join(Listener())
    while True:
        await consumer.poll(1, 1.0)

asyncio.run(main())
"""


class Member:
    """A rebalance listener that records its notifications."""

    def __init__(self) -> None:
        self.consumer: OrderConsumer
        self.partitions: set[int] = set()
        self.revocations = 0
        self._notified = asyncio.Event()

    async def revoked(self) -> None:
        self.partitions = set()
        self.revocations += 1
        self._notified.clear()

    def assigned(self, partitions: Collection[int]) -> None:
        self.partitions = set(partitions)
        self._notified.set()

    async def open(self, count: int) -> dict[int, int]:
        """Wait until `count` partitions are assigned, then read on; returns where."""
        async with asyncio.timeout(120):
            while len(self.partitions) != count:
                await self._notified.wait()
                await asyncio.sleep(0.01)
        starts, _ = await self.consumer.start_offsets(self.partitions)
        self.consumer.resume(starts)
        return starts

    async def read(self, count: int) -> list[Message]:
        """Poll until `count` messages came."""
        messages: list[Message] = []
        async with asyncio.timeout(120):
            while len(messages) < count:
                for polled in (await self.consumer.poll(100, 0.1)).values():
                    messages += polled
        return messages


class Group(ABC):
    """A topic with PARTITIONS partitions, and a consumer group on it."""

    @abstractmethod
    async def publish(self, partition: int, *values: bytes) -> None: ...

    @abstractmethod
    async def join(self) -> Member: ...

    @abstractmethod
    async def leave(self, member: Member) -> None: ...


class FakeGroup(Group):
    def __init__(self) -> None:
        self._broker = FakeBroker(PARTITIONS)
        self._members: list[tuple[Member, FakeOrderConsumer]] = []

    async def publish(self, partition: int, *values: bytes) -> None:
        for value in values:
            self._broker.append_order(partition, value)

    async def join(self) -> Member:
        member, log = Member(), FakeOrderConsumer(self._broker, ScriptedRandom([]))
        member.consumer = log
        await log.join(member)
        await self._rebalance([*self._members, (member, log)])
        return member

    async def leave(self, member: Member) -> None:
        await self._rebalance([entry for entry in self._members if entry[0] is not member])

    async def _rebalance(self, members: list[tuple[Member, FakeOrderConsumer]]) -> None:
        for _, log in self._members:
            await log.revoke()
        self._members = members
        for number, (_, log) in enumerate(members):
            log.assign(range(number, PARTITIONS, len(members)))


class KafkaGroup(Group):
    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._logs: dict[Member, KafkaOrderConsumer] = {}

    async def publish(self, partition: int, *values: bytes) -> None:
        async with AIOKafkaProducer(**self._settings.client_options()) as producer:
            for value in values:
                await producer.send_and_wait(self._settings.orders_topic, value, partition=partition)

    async def join(self) -> Member:
        member = Member()
        member.consumer = log = KafkaOrderConsumer(self._settings)
        self._logs[member] = log
        await log.join(member)
        return member

    async def leave(self, member: Member) -> None:
        await self._logs.pop(member).close()

    async def close(self) -> None:
        for member in list(self._logs):
            await self.leave(member)


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.integration)])
def kafka(request: pytest.FixtureRequest) -> KafkaSettings | None:
    settings: KafkaSettings | None = None if request.param == "fake" else request.getfixturevalue("kafka_settings")
    return settings


@pytest.fixture
async def group(kafka: KafkaSettings | None) -> AsyncIterator[Group]:
    if kafka is None:
        yield FakeGroup()
        return
    group = KafkaGroup(kafka)
    yield group
    await group.close()


async def test_a_new_group_reads_everything_in_order(group: Group) -> None:
    await group.publish(0, b"a", b"b", b"c")
    await group.publish(3, b"d")
    member = await group.join()
    assert await member.open(PARTITIONS) == {0: 0, 1: 0, 2: 0, 3: 0}
    messages = await member.read(4)
    assert [(m.offset, m.value) for m in messages if m.partition == 0] == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert [(m.offset, m.value) for m in messages if m.partition == 3] == [(0, b"d")]


async def test_nothing_is_read_before_it_is_resumed(group: Group) -> None:
    await group.publish(0, b"a")
    member = await group.join()
    for _ in range(10):
        assert not await member.consumer.poll(100, 0.1)
    await member.open(PARTITIONS)
    assert [message.value for message in await member.read(1)] == [b"a"]


async def test_the_next_member_resumes_at_the_committed_offset(group: Group) -> None:
    await group.publish(1, b"a", b"b", b"c")
    first = await group.join()
    await first.open(PARTITIONS)
    await first.read(3)
    await first.consumer.commit({1: 2})
    await group.leave(first)
    second = await group.join()
    assert (await second.open(PARTITIONS))[1] == 2
    assert [message.value for message in await second.read(1)] == [b"c"]


async def test_a_second_member_gets_a_share(group: Group) -> None:
    first = await group.join()
    await first.open(PARTITIONS)
    second = await group.join()
    starts = await asyncio.gather(first.open(2), second.open(2))
    assert first.revocations == 1
    assert set(starts[0]) | set(starts[1]) == set(range(PARTITIONS))
    for partition in range(PARTITIONS):
        await group.publish(partition, b"%d" % partition)
    for member in (first, second):
        assert {message.partition for message in await member.read(2)} == member.partitions


async def test_partitions_of_another_member_cannot_be_committed(group: Group) -> None:
    first = await group.join()
    await first.open(PARTITIONS)
    await group.publish(0, b"a")
    second = await group.join()
    await asyncio.gather(first.open(2), second.open(2))
    other = next(iter(second.partitions))
    with pytest.raises(CommitRefusedError):
        await first.consumer.commit({other: 0})


async def test_keeping_alive_reads_nothing_and_loses_nothing(group: Group) -> None:
    member = await group.join()
    await member.open(PARTITIONS)
    await group.publish(2, b"a", b"b")
    for _ in range(5):
        await member.consumer.keep_alive()
        await asyncio.sleep(0.02)
    assert [message.value for message in await member.read(2)] == [b"a", b"b"]


@pytest.mark.integration
async def test_offsets_that_are_gone_are_named(kafka_settings: KafkaSettings) -> None:
    """A group that was committed beyond what the topic holds: the topic was created again."""
    group = KafkaGroup(kafka_settings)
    try:
        await group.publish(0, b"a")
        member = await group.join()
        await member.open(PARTITIONS)
        await member.consumer.commit({0: 40})
        with pytest.raises(LostOffsetsError, match=r"/0: group .* resumes at offset 40, but the topic ends at 1"):
            await member.consumer.start_offsets([0])
    finally:
        await group.close()


@pytest.mark.integration
async def test_partitions_of_a_killed_member_are_free_at_the_next_start(
    kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    names = ("kafka", "orders_topic", "decisions_topic", "dead_letter_topic", "labels_topic", "consumer_group")
    settings = {f"ORDERWATCH_{name.upper()}": str(getattr(kafka_settings, name)) for name in names}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MEMBER, str(tmp_path), env=os.environ | settings, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            while (line := await process.stdout.readline()) != b"assigned %d\n" % PARTITIONS:
                assert line, "the member ended by itself"
    finally:
        process.kill()
        await process.wait()
    member = Member()
    member.consumer = consumer = KafkaOrderConsumer(kafka_settings, members=tmp_path)
    try:
        await consumer.join(member)
        await member.open(PARTITIONS)
    finally:
        await consumer.close()
