"""Topic `decisions` is followed without a gap through kills of the broker, also when connecting while it is down.

Catching up with many decisions gives the event loop back after each poll.
"""

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaProducer

from devstack.kafka import EmbeddedKafka
from fraud_detector.stream.kafka_followed_topic import MAX_POLLED
from fraud_detector.stream.kafka_published_orders import KafkaPublishedOrders
from fraud_detector.stream.ports import DependencyUnavailableError
from order_platform.kafka.topics import PARTITIONS, ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.waiting import until

# Until a fetch is under way that waits for the broker.
DOWN_SECONDS = 1.0


@pytest.mark.integration
async def test_decisions_are_followed_through_kills_of_the_broker(private_kafka: EmbeddedKafka) -> None:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers, consumer_group=f"g-{uuid.uuid4().hex[:8]}")
    await ensure_topics(settings)
    published = KafkaPublishedOrders(settings, epoch=1)
    await published.reopen({})
    assert published.has_reached(await published.ends()), "partitions without records have nothing to be read"
    for is_reopened_while_down in (False, True):
        polling = asyncio.create_task(_poll(published))
        await asyncio.to_thread(private_kafka.kill)
        await asyncio.sleep(DOWN_SECONDS)
        polling.cancel()
        await asyncio.wait([polling])
        if is_reopened_while_down:
            with pytest.raises(DependencyUnavailableError):
                await published.reopen({})
        private_kafka.start()
        await asyncio.to_thread(private_kafka.wait_ready)
        await _publish(settings)
        polling = asyncio.create_task(_poll(published))
        ends = await published.ends()
        assert set(ends.values()) == {2 if is_reopened_while_down else 1}
        await until(lambda: published.has_reached(ends), "everything to be read")  # noqa: B023  (awaited here)
        polling.cancel()
        await asyncio.wait([polling])
    await _publish(settings, MAX_POLLED)
    ends, turns = await published.ends(), 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    while not published.has_reached(ends):
        before = turns
        await published.poll(0.1)
        assert turns > before, "a poll kept the event loop"
    others.cancel()
    await asyncio.wait([others])
    await published.close()


async def _poll(published: KafkaPublishedOrders) -> None:
    while True:
        try:
            await published.poll(0.1)
        except DependencyUnavailableError:
            await asyncio.sleep(0.1)


async def _publish(settings: KafkaSettings, records: int = 1) -> None:
    """So many records on each partition."""
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for _ in range(records):
            for partition in range(PARTITIONS):
                await producer.send(settings.decisions_topic, b"{}", partition=partition)
        await producer.flush()
