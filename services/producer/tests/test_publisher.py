"""Publishing to a real broker: each message acknowledged once and in order, or named as failed."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
import structlog
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2
from structlog.testing import LogCapture

from marketplace_simulator.orders import OrderMessage
from order_platform.kafka.topics import MAX_ORDER_BYTES
from order_platform.settings import KafkaSettings
from order_producer.publish.connection import BATCH_BYTES
from order_producer.publish.metrics import ProducerMetrics
from order_producer.publish.publisher import Publisher
from order_producer.publish.sink import Counts
from tests.support.reading import read_topic

pytestmark = pytest.mark.integration


@asynccontextmanager
async def publishing(settings: KafkaSettings) -> AsyncIterator[Publisher]:
    counts = Counts()
    async with Publisher(settings, counts, ProducerMetrics(counts)) as publisher:
        yield publisher


@pytest.fixture
def log() -> Iterable[LogCapture]:
    with structlog.testing.capture_logs() as lines:
        capture = LogCapture()
        capture.entries = lines
        yield capture


def numbered(count: int, users: int = 50, size: int = 100) -> list[OrderMessage]:
    return [
        OrderMessage(b"U%d" % (number * 7 % users), b"%*d" % (size, number), f"m{number}") for number in range(count)
    ]


def by_key(records: Iterable[ConsumerRecord]) -> dict[bytes | None, list[bytes]]:
    found: dict[bytes | None, list[bytes]] = {}
    for record in records:
        found.setdefault(record.key, []).append(record.value)
    return found


def expected(messages: Iterable[OrderMessage]) -> dict[bytes | None, list[bytes]]:
    found: dict[bytes | None, list[bytes]] = {}
    for message in messages:
        found.setdefault(message.key, []).append(message.value)
    return found


async def publish(settings: KafkaSettings, messages: Iterable[OrderMessage]) -> Counts:
    async with publishing(settings) as publisher:
        for message in messages:
            await publisher.put(message)
        await publisher.flush()
        return publisher.counts


async def test_all_are_acknowledged_once_and_in_order_per_key(kafka_settings: KafkaSettings) -> None:
    messages = numbered(20_000)

    counts = await publish(kafka_settings, messages)

    assert counts == Counts(20_000, 20_000, 0)
    records = await read_topic(kafka_settings, kafka_settings.orders_topic)
    assert by_key(records) == expected(messages)
    # Kafka's own partitioner: other producers choose the same partition for the same key.
    assert all(record.partition == (murmur2(record.key) & 0x7FFFFFFF) % 4 for record in records)


async def test_bytes_arrive_untouched(kafka_settings: KafkaSettings) -> None:
    values = [b"", b"\xff\xfe", b"not json", b"\r", b"{}", b"\x00", os.urandom(5_000_000), b"y" * MAX_ORDER_BYTES]
    messages = [OrderMessage(None, value, f"line {number}") for number, value in enumerate(values)]
    messages.append(OrderMessage(b"U1", os.urandom(MAX_ORDER_BYTES), "the largest"))

    counts = await publish(kafka_settings, messages)

    assert counts == Counts(len(messages), len(messages), 0)
    records = await read_topic(kafka_settings, kafka_settings.orders_topic)
    assert sorted(record.value for record in records) == sorted(message.value for message in messages)


async def test_a_message_too_large_is_named_and_the_others_continue(
    kafka_settings: KafkaSettings, log: LogCapture
) -> None:
    messages = [*numbered(10), OrderMessage(None, b"x" * (MAX_ORDER_BYTES + 1), "line 11"), *numbered(10)]

    counts = await publish(kafka_settings, messages)

    assert counts == Counts(21, 20, 1)
    [failure] = [entry for entry in log.entries if entry["event"] == "not_published"]
    assert failure["message"] == "line 11"
    assert "8,388,608 bytes" in failure["reason"]
    assert len(await read_topic(kafka_settings, kafka_settings.orders_topic)) == 20


async def test_what_the_broker_refuses_is_named_and_the_others_continue_in_order(broker: str, log: LogCapture) -> None:
    settings = KafkaSettings(kafka=broker, orders_topic=f"small-{os.urandom(6).hex()}")
    admin = AIOKafkaAdminClient(**settings.client_options())
    await admin.start()
    # Less than a batch of the producer: some are rejected as a whole although each of their messages is small enough.
    limits = {"max.message.bytes": str(BATCH_BYTES // 4)}
    await admin.create_topics([NewTopic(settings.orders_topic, 2, 1, topic_configs=limits)])
    await admin.close()
    messages = numbered(3_000)
    refused = {5, 6, 1_500, 2_999}
    for number in refused:
        messages[number] = messages[number]._replace(value=os.urandom(BATCH_BYTES // 2))
    messages += [OrderMessage(b"U%d" % number, os.urandom(2_000), "random") for number in range(500)]

    counts = await publish(settings, messages)

    assert counts == Counts(3_500, 3_496, 4)
    assert {entry["message"] for entry in log.entries if entry["event"] == "not_published"} == {
        f"m{number}" for number in refused
    }
    kept = [message for number, message in enumerate(messages) if number not in refused]
    assert by_key(await read_topic(settings, settings.orders_topic)) == expected(kept)
