"""Labels as a detector follows them: the newest of an order counts, and none is left out without a word."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.labels.follower import LabelFollower
from fraud_detector.labels.kafka_published_labels import KafkaPublishedLabels
from fraud_detector.labels.label_tasks import LabelTasks
from fraud_detector.labels.labelling import StoredOrder
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.labels.postgres_orders import LabelSource, OrderSource
from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.health import HealthState
from fraud_detector.stream.ports import ActionRequiredError
from order_contract.label import Label, LabelEvent
from order_contract.label_record import encode_label
from order_contract.message import Message
from order_platform.kafka.consumer import Consumer
from order_platform.settings import KafkaSettings
from simulation.fakes import FakeMessage
from tests.support.broker_topics import delete_records
from tests.support.waiting import until

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FRAUDS = HistoryFeature(
    "frauds", Aggregate.LABEL_COUNT, ("user_id",), 3_600 * SECOND, None, None, Label.FRAUD.value, None
)


class NoLabels:
    """Topic labels, which is not read: the test gives the messages."""

    async def poll(self, wait_seconds: float) -> Mapping[int, Sequence[Message]]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class NoOrders:
    """A database without orders."""

    async def find(self, order_ids: Collection[str]) -> Sequence[StoredOrder]:
        return []


def label(partition: int, offset: int, verdict: Label) -> FakeMessage:
    value = encode_label(LabelEvent("o1", verdict, "test", None, NOW, None))
    return FakeMessage(partition, offset, value, topic="labels")


async def test_of_several_labels_of_an_order_the_one_with_the_highest_offset_counts() -> None:
    """Also when they are in two partitions, as after the topic got more, whichever is polled first."""
    newest, older = label(1, 7, Label.FRAUD), label(0, 4, Label.LEGITIMATE)
    polls: Sequence[Mapping[int, Sequence[Message]]] = ({0: [older], 1: [newest]}, {1: [newest], 0: [older]})
    for polled in polls:
        history = StreamFeatures([FRAUDS])
        follower = LabelFollower(
            NoLabels(), NoOrders(), history, tuple,
            epoch=1, label_epoch=1, now=lambda: NOW,
            metrics=LabelMetrics(CollectorRegistry()), health=HealthState(lambda: 0.0),
        )  # fmt: skip
        await follower.follow(polled)
        ((_, counted, rank, _),) = history.labels.entries()
        assert (counted, rank.offset, rank.partition) == ("fraud", 7, 1)


# ---- on the real broker


async def publish(settings: KafkaSettings, count: int) -> None:
    """Some labels on partition 0."""
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for offset in range(count):
            await producer.send_and_wait(settings.labels_topic, label(0, offset, Label.FRAUD).value, partition=0)


async def poll_offsets(labels: KafkaPublishedLabels) -> list[int]:
    """The offsets of the messages of the first poll, on partition 0."""
    try:
        return [message.offset for message in (await labels.poll(10.0))[0]]
    finally:
        await labels.close()


@pytest.mark.integration
async def test_labels_that_were_deleted_before_they_were_read_are_named(kafka_settings: KafkaSettings) -> None:
    await publish(kafka_settings, 5)
    await delete_records(kafka_settings, kafka_settings.labels_topic, 0, 3)
    named = rf"{kafka_settings.labels_topic}/0: labels from offset 1 to 2 were deleted .* start the detector again"
    with pytest.raises(ActionRequiredError, match=named):
        await poll_offsets(KafkaPublishedLabels(kafka_settings, {0: 1}))
    assert await poll_offsets(KafkaPublishedLabels(kafka_settings, {0: 1}, accept_lost_offsets=True)) == [3, 4]
    assert await poll_offsets(KafkaPublishedLabels(kafka_settings, {0: 3})) == [3, 4]
    # Without a position nothing was ever stored of the partition.
    assert await poll_offsets(KafkaPublishedLabels(kafka_settings, {})) == [3, 4]


@pytest.mark.integration
async def test_a_loss_is_accepted_when_following_begins_and_not_afterwards(kafka_settings: KafkaSettings) -> None:
    """What is deleted while labels cannot be read may be stored: the histories would lack it."""
    await publish(kafka_settings, 5)
    labels = KafkaPublishedLabels(kafka_settings, {0: 0}, accept_lost_offsets=True)
    await poll_offsets(labels)
    await publish(kafka_settings, 2)
    await delete_records(kafka_settings, kafka_settings.labels_topic, 0, 6)
    with pytest.raises(ActionRequiredError, match="labels from offset 5 to 5 were deleted"):
        await poll_offsets(labels)


@pytest.mark.integration
async def test_a_loss_is_accepted_unless_the_histories_are_of_a_snapshot(kafka_settings: KafkaSettings) -> None:
    """Labels that a snapshot lacks may be stored, so they are not lost."""
    topic = kafka_settings.labels_topic
    async with AIOKafkaProducer(**kafka_settings.client_options()) as producer:
        for _ in range(5):
            await producer.send_and_wait(topic, b"broken", partition=0)
    await delete_records(kafka_settings, topic, 0, 3)
    settings = DetectorSettings(**kafka_settings.model_dump(exclude_unset=True), accept_lost_offsets=True)
    tasks = LabelTasks(settings, LabelMetrics(CollectorRegistry()), HealthState(lambda: 0.0))

    def follower(history: StreamFeatures, *, is_snapshot: bool) -> LabelFollower:
        history.advance_labels({0: 1})
        orders = OrderSource(settings.orders_topic, 1, ())
        return tasks.follower(history, orders, LabelSource(topic, 1), may_lack_stored=is_snapshot)

    loaded = StreamFeatures([FRAUDS])
    following = asyncio.create_task(follower(loaded, is_snapshot=False).run())

    async def is_followed() -> bool:
        return loaded.next_label_offsets == {0: 5}

    await until(is_followed, "the labels to be followed")
    following.cancel()
    await asyncio.wait([following])
    with pytest.raises(ActionRequiredError, match="labels from offset 1 to 2 were deleted"):
        await asyncio.wait_for(follower(StreamFeatures([FRAUDS]), is_snapshot=True).run(), 10.0)
    for next_offsets, are_kept in ({0: 1}, False), ({0: 3}, True), ({}, False):
        assert await tasks.are_kept(next_offsets) is are_kept
    await tasks.close()


@pytest.mark.integration
async def test_closing_raises_nothing_of_requests_under_way(
    kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Consumer] = []
    real = Consumer.stop

    async def stop(self: Consumer) -> None:
        stopped.append(self)
        await real(self)

    monkeypatch.setattr(Consumer, "stop", stop)
    labels = KafkaPublishedLabels(kafka_settings, {})
    await labels.poll(0.01)
    await labels.close()
    assert len(stopped) == 1
