"""The broker is killed, unavailable, and recovers: nothing acknowledged is lost or doubled, and memory is bounded."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from devstack.kafka import EmbeddedKafka
from marketplace_simulator.orders import OrderMessage
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from order_producer.publish.metrics import ProducerMetrics
from order_producer.publish.publisher import Publisher
from order_producer.publish.sink import Counts
from tests.support import embedded
from tests.support.reading import read_topic
from tests.support.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker to kill and start again."""
    server = embedded.new_kafka(tmp_path_factory.mktemp("kafka"))
    with embedded.serving(server):
        yield server


@pytest.fixture
async def settings(own_kafka: EmbeddedKafka) -> KafkaSettings:
    """Settings with topics of the test's own."""
    run = os.urandom(6).hex()
    settings = KafkaSettings(
        kafka=own_kafka.bootstrap_servers,
        orders_topic=f"orders-{run}",
        decisions_topic=f"decisions-{run}",
        dead_letter_topic=f"orders.dlq-{run}",
    )
    await ensure_topics(settings)
    return settings


def restart(server: EmbeddedKafka) -> None:
    """Start it again. Raises ServerFailedError where waiting for what it is to do would never end."""
    server.start()
    server.wait_ready()


def publisher_of(settings: KafkaSettings) -> Publisher:
    counts = Counts()
    return Publisher(settings, counts, ProducerMetrics(counts))


async def test_a_killed_broker_loses_nothing_and_doubles_nothing(
    own_kafka: EmbeddedKafka, settings: KafkaSettings
) -> None:
    values = [b"%100d" % number for number in range(20_000)]
    async with publisher_of(settings) as publisher:

        async def put_all() -> None:
            for number, value in enumerate(values):
                await publisher.put(OrderMessage(b"U%d" % (number * 7 % 50), value, "m"))
                if number % 200 == 0:
                    await asyncio.sleep(0.01)
            await publisher.flush()

        putting = asyncio.create_task(put_all())
        for least in (3_000, 10_000):
            await until(lambda least=least: publisher.counts.acknowledged > least, f"{least} acknowledged")  # type: ignore[misc]
            own_kafka.kill()
            await asyncio.to_thread(restart, own_kafka)
        await putting

    assert publisher.counts == Counts(20_000, 20_000, 0)
    records = await read_topic(settings, settings.orders_topic)
    assert sorted(record.value for record in records) == values
    of_key: dict[bytes | None, list[bytes]] = {}
    for record in records:
        of_key.setdefault(record.key, []).append(record.value)
    assert all(sent == sorted(sent) for sent in of_key.values())


async def test_the_source_waits_for_an_unavailable_broker(own_kafka: EmbeddedKafka, settings: KafkaSettings) -> None:
    message = OrderMessage(None, b"x" * 1_000_000, "m")
    async with publisher_of(settings) as publisher:
        await publisher.put(message)
        await publisher.flush()
        own_kafka.kill()

        async def put_all() -> None:
            for _ in range(100):
                await publisher.put(message)

        putting = asyncio.create_task(put_all())
        await until(lambda: publisher.counts.waiting > 5, "messages to wait")
        await asyncio.sleep(0.5)
        assert 5 < publisher.counts.waiting < 15
        await asyncio.to_thread(restart, own_kafka)
        await putting
        await publisher.flush()

    assert publisher.counts == Counts(101, 101, 0)


async def test_a_broker_that_starts_late_is_waited_for(own_kafka: EmbeddedKafka, settings: KafkaSettings) -> None:
    own_kafka.kill()
    with structlog.testing.capture_logs() as log:
        async with publisher_of(settings) as publisher:
            putting = asyncio.create_task(publisher.put(OrderMessage(None, b"x", "m")))
            await until(lambda: any(entry["event"] == "broker_unavailable" for entry in log), "the warning")
            assert publisher.problem() == f"waiting for the broker at {settings.kafka}"
            assert not putting.done()
            await asyncio.to_thread(restart, own_kafka)
            await putting
            await publisher.flush()
            assert publisher.problem() is None

    [warning] = [entry for entry in log if entry["event"] == "broker_unavailable"]
    assert warning["kafka"] == settings.kafka
    assert "ORDERWATCH_KAFKA" in warning["hint"]
    assert publisher.counts == Counts(1, 1, 0)


async def test_a_stop_is_not_held_up_by_a_dead_broker(own_kafka: EmbeddedKafka, settings: KafkaSettings) -> None:
    environment = {
        **os.environ,
        "ORDERWATCH_KAFKA": settings.kafka,
        "ORDERWATCH_ORDERS_TOPIC": settings.orders_topic,
        "ORDERWATCH_DRAIN_SECONDS": "1",
    }
    command = [sys.executable, "-m", "order_producer", "generate", "--rate", "50"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    try:

        async def some_are_there() -> bool:
            return bool(await read_topic(settings, settings.orders_topic))

        await until(some_are_there, "the first orders")
        own_kafka.kill()
        await asyncio.sleep(1)
        process.terminate()
        _, said = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.to_thread(restart, own_kafka)

    log = [json.loads(line) for line in said.splitlines()]
    failures = [entry for entry in log if entry["event"] == "not_published"]
    [finished] = [entry for entry in log if entry["event"] == "finished"]
    assert process.returncode == 1
    assert {failure["reason"] for failure in failures} == {"not acknowledged within 1 s of stopping"}
    assert len(failures) == finished["failed"] == finished["sent"] - finished["acknowledged"] > 10
