"""Labels that a detector stores: on the real broker and database, and in every order of failures on fakes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from fraud_detector.labels.batch import LabelBatch
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.labels.postgres_store import PostgresLabelStore
from fraud_detector.labels.recorder import LabelRecorder
from fraud_detector.stream.health import Check, HealthState
from fraud_detector.stream.kafka_consumer import KafkaOrderConsumer
from fraud_detector.stream.kafka_publisher import KafkaPublisher
from fraud_detector.stream.ports import DecisionPublisher, DependencyUnavailableError, OrderConsumer
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.label import Label, LabelEvent, LabelReason
from order_contract.label_record import encode_label, label_key
from order_platform.settings import KafkaSettings, Subscription
from simulation.fakes import FakeBroker, FakeOrderConsumer
from simulation.scripted_random import ScriptedRandom
from simulation.virtual_time import run_in_virtual_time
from tests.support.reading import read_topic
from tests.support.waiting import until

P = ParamSpec("P")
T = TypeVar("T")

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)


def label(order_id: str, verdict: Label = Label.FRAUD) -> bytes:
    return encode_label(LabelEvent(order_id, verdict, "test", "me", AT, None))


class Recording:
    """A recorder at work on the real broker and database."""

    def __init__(self, settings: KafkaSettings, database_url: str, group: str) -> None:
        subscription = Subscription(settings.labels_topic, group)
        self.health = HealthState(asyncio.get_running_loop().time)
        self.stop = asyncio.Event()
        self.consumer = KafkaOrderConsumer(settings, subscription)
        self.publisher = KafkaPublisher(settings)
        self.recorder = LabelRecorder(
            self.consumer,
            PostgresLabelStore(database_url, subscription),
            self.publisher,
            now=lambda: datetime.now(UTC),
            metrics=LabelMetrics(CollectorRegistry()),
            health=self.health,
        )

    async def run(self) -> None:
        epoch = await self.recorder.bind(self.stop.is_set)
        assert epoch == 1
        await self.recorder.run(epoch, self.stop)


@asynccontextmanager
async def recording(settings: KafkaSettings, database_url: str, group: str) -> AsyncIterator[Recording]:
    work = Recording(settings, database_url, group)
    running = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        work.stop.set()
        await running
        await work.consumer.close()
        await work.publisher.close()


@pytest.mark.integration
async def test_labels_are_stored_once_with_their_history_and_bad_ones_are_dead_letters(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    settings = kafka_settings
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        known = encode_label(LabelEvent("o1", Label.LEGITIMATE, "test", "me", AT, None, LabelReason.KNOWN_CUSTOMER))
        for value in (label("o1"), b'{"order_id":"o1","label":"frod"}', known, label("o2")):
            key = label_key("o2" if b"o2" in value else "o1")
            await producer.send_and_wait(settings.labels_topic, value, key)
    database = await asyncpg.connect(database_url)

    async def positions(group: str) -> int:
        query = "select coalesce(sum(next_offset), 0) from group_positions where consumer_group = $1"
        return int(await database.fetchval(query, group))

    async def all_read(group: str) -> bool:
        return await positions(group) == 4

    for group in ("first", "again"):
        async with recording(settings, database_url, group) as work:
            await until(lambda group=group: all_read(group), "the labels to be stored")  # type: ignore[misc]
            assert work.health.unready() == "waiting for the consumer group to assign partitions"

    stored = await database.fetch('select * from labels order by order_id, partition, "offset"')
    assert [(row["order_id"], row["label"], row["source"], row["author"], row["reason"]) for row in stored] == [
        ("o1", "fraud", "test", "me", None),
        ("o1", "legitimate", "test", "me", "known-customer"),
        ("o2", "fraud", "test", "me", None),
    ]
    assert {row["labelled_at"] for row in stored} == {AT}
    audited = await database.fetch("select actor, action, subject_id, after ->> 'label' as label from audit_log")
    assert sorted((row["actor"], row["action"], row["subject_id"], row["label"]) for row in audited) == [
        ("me", "add", "o1", "fraud"),
        ("me", "add", "o1", "legitimate"),
        ("me", "add", "o2", "fraud"),
    ]
    (letter,) = await database.fetch("select * from dead_letters")
    assert (letter["topic"], letter["order_id"], letter["error_type"]) == (settings.labels_topic, "o1", "missing-field")
    origins = {record.key for record in await read_topic(settings, settings.dead_letter_topic)}
    assert origins == {f"{letter['topic']}/{letter['partition']}/{letter['offset']}".encode()}
    await database.close()


# ---- on fakes, in virtual time


class MemoryStore:
    """Stored labels in memory; fails as a script makes it, before or after it happened."""

    def __init__(self, random: ScriptedRandom) -> None:
        self._random = random
        self.labels: dict[tuple[int, int], str] = {}
        self.dead_letters: set[tuple[int, int]] = set()
        self.next_offsets: dict[int, int] = {}

    async def bind(self, topic_id: UUID | None) -> int:
        return 1

    async def store(self, batch: LabelBatch) -> None:
        await self._random.pause()
        fate = self._random.choose(4)
        if fate == 2:
            raise DependencyUnavailableError("the database is unavailable")
        for event, origin, _ in batch.labels:
            self.labels.setdefault((origin.partition, origin.offset), event.order_id)
        self.dead_letters |= {(each.message.partition, each.message.offset) for each in batch.dead_letters}
        self.next_offsets |= batch.next_offsets
        if fate == 3:
            raise DependencyUnavailableError("the response was lost")


class MemoryPublisher(DecisionPublisher):
    def __init__(self, broker: FakeBroker, random: ScriptedRandom) -> None:
        self._broker = broker
        self._random = random

    async def publish(self, orders: Sequence[OrderRow], dead_letters: Sequence[RejectedMessage]) -> Mapping[int, int]:
        await self._random.pause()
        if self._random.choose(3) == 2:
            raise DependencyUnavailableError("the broker is unavailable")
        self._broker.append_dead_letters(dead_letters)
        return {}

    async def close(self) -> None:
        pass


async def play(values: Mapping[int, Sequence[bytes]], script: Sequence[int]) -> None:
    """Two members, one after the other and with rebalances in between, store everything once."""
    random, broker = ScriptedRandom(script), FakeBroker(2)
    store, stop = MemoryStore(random), asyncio.Event()
    for partition, messages in values.items():
        for value in messages:
            broker.append_order(partition, value)
    members: list[FakeOrderConsumer] = []
    tasks = []
    health = HealthState(asyncio.get_running_loop().time)
    for _ in range(2):
        consumer = FakeOrderConsumer(broker, random)
        fake: OrderConsumer = consumer
        recorder = LabelRecorder(
            fake, store, MemoryPublisher(broker, random),
            now=lambda: AT, metrics=LabelMetrics(CollectorRegistry()), health=health,
        )  # fmt: skip
        await consumer.join(recorder)
        members.append(consumer)
        tasks.append(asyncio.create_task(recorder.run(1, stop)))
    for _ in range(random.choose(4) + 1):
        for member in members:
            await member.revoke()
        shift = random.choose(2)
        for number, member in enumerate(members):
            member.assign([(number + shift) % 2])
        await asyncio.sleep(random.choose(5))
    random.calm()
    async with asyncio.timeout(600):
        while not broker.finished:  # noqa: ASYNC110
            await asyncio.sleep(1)
    stop.set()
    await asyncio.gather(*tasks)
    origins = {(partition, offset) for partition, messages in values.items() for offset, _ in enumerate(messages)}
    assert store.labels.keys() | store.dead_letters == origins
    assert not store.labels.keys() & store.dead_letters
    assert set(broker.dead_letters) == store.dead_letters
    assert all(broker.orders[p][o].value == label(order_id) for (p, o), order_id in store.labels.items())
    assert health.unready() == "waiting for the consumer group to assign partitions"


messages_of_a_partition = st.lists(st.sampled_from([label("o1"), label("o2"), b"broken"]), max_size=8)


@given(
    values=st.fixed_dictionaries({0: messages_of_a_partition, 1: messages_of_a_partition}),
    script=st.lists(st.integers(0, 255), max_size=120),
)
@settings(max_examples=150, deadline=None)
def test_every_label_is_stored_whatever_fails(values: Mapping[int, Sequence[bytes]], script: Sequence[int]) -> None:
    run_in_virtual_time(play(values, script))


class Member:
    """One recorder with everything around it, which has one label to store."""

    def __init__(self) -> None:
        random = ScriptedRandom([])
        self.broker = FakeBroker(1)
        self.broker.append_order(0, label("o1"))
        self.store, self.consumer, self.stop = (
            MemoryStore(random),
            FakeOrderConsumer(self.broker, random),
            asyncio.Event(),
        )
        self.health = HealthState(asyncio.get_running_loop().time)
        self.health.joined()
        self._recorder = LabelRecorder(
            self.consumer, self.store, MemoryPublisher(self.broker, random),
            now=lambda: AT, metrics=LabelMetrics(CollectorRegistry()), health=self.health,
        )  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.consumer.join(self._recorder)
        self.consumer.assign([0])
        running = asyncio.create_task(self._recorder.run(1, self.stop))
        yield
        self.stop.set()
        await running


def failing_until(
    available: asyncio.Event, call: Callable[P, Coroutine[Any, Any, T]], problem: str
) -> Callable[P, Coroutine[Any, Any, T]]:
    """The call, which fails until its dependency is available."""

    async def call_or_fail(*arguments: P.args, **named: P.kwargs) -> T:
        if not available.is_set():
            raise DependencyUnavailableError(problem)
        return await call(*arguments, **named)

    return call_or_fail


def test_an_outage_of_the_database_is_named_until_it_is_over() -> None:
    async def scenario() -> None:
        member, available = Member(), asyncio.Event()
        member.store.store = failing_until(available, member.store.store, "no connection")  # type: ignore[method-assign]
        async with member.running():
            await asyncio.sleep(30)
            assert member.health.unready() == "database: no connection"
            assert Check.LABELS_STORING.dependency == "database"
            assert member.broker.committed == {}
            available.set()
            await asyncio.sleep(30)
            assert member.health.unready() is None
            assert member.broker.committed == {0: 1}

    run_in_virtual_time(scenario())


def test_labels_that_were_polled_are_stored_while_the_lag_cannot_be_read() -> None:
    async def scenario() -> None:
        member, available, problem = Member(), asyncio.Event(), "the broker does not respond"
        member.consumer.lags = failing_until(available, member.consumer.lags, problem)  # type: ignore[method-assign]
        async with member.running():
            await asyncio.sleep(30)
            assert member.health.unready() == f"broker: {problem}"
            member.broker.append_order(0, label("o2"))
            available.set()
            await asyncio.sleep(30)
            assert member.health.unready() is None
            assert member.store.labels == {(0, 0): "o1", (0, 1): "o2"}
            assert member.broker.committed == {0: 2}

    run_in_virtual_time(scenario())


def test_a_commit_that_failed_is_made_up_for_without_another_label() -> None:
    async def scenario() -> None:
        member, available, problem = Member(), asyncio.Event(), "offsets could not be committed"
        member.consumer.commit = failing_until(available, member.consumer.commit, problem)  # type: ignore[method-assign]
        async with member.running():
            await asyncio.sleep(30)
            assert (member.store.labels, member.broker.committed) == ({(0, 0): "o1"}, {})
            available.set()
            await asyncio.sleep(30)
            assert member.broker.committed == {0: 1}

    run_in_virtual_time(scenario())
