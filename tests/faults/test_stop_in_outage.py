"""A detector ends in time when it has to stop, also without a broker or with one that hangs, and logs no flood."""

import asyncio
import os
import signal
import uuid
from pathlib import Path

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from devstack.kafka import EmbeddedKafka
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.waiting import until

DRAIN_SECONDS = 3
GRACE_SECONDS = 30
"""After a SIGTERM, containers are killed then."""
MOST_LINES = 30
OUTAGE_SECONDS = 3

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"]),
]


@pytest.fixture
async def settings(private_kafka: EmbeddedKafka) -> KafkaSettings:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers, consumer_group=f"g-{uuid.uuid4().hex[:8]}")
    await ensure_topics(settings)
    return settings


class Detector(DetectorProcess):
    """With histories, so that it follows topic decisions, too."""

    def __init__(self, settings: KafkaSettings, database_url: str, log: Path) -> None:
        options = {"ORDERWATCH_MARKETPLACE_PACK": "shadow", "ORDERWATCH_DRAIN_SECONDS": str(DRAIN_SECONDS)}
        super().__init__(settings, database_url, log, **options)

    def events(self) -> list[tuple[str, str | None]]:
        """The events of its log, with the topic that they are about."""
        entries = map(orjson.loads, self.log.read_bytes().splitlines())
        return [(entry["event"], entry.get("topic")) for entry in entries]

    async def has_logged(self, event: str, topic: str | None = None) -> None:
        await until(lambda: (event, topic) in self.events(), f"{self.log.stem} to log {event}")

    def require_end(self) -> None:
        """It ends within the grace that containers have, and has not logged more than what happened."""
        assert self.process.wait(timeout=GRACE_SECONDS) == 0
        assert self.events()[-1] == ("detector_stopped", None)
        assert len(self.events()) < MOST_LINES


async def test_it_stops_in_a_rebalance_that_cannot_end(
    private_kafka: EmbeddedKafka, settings: KafkaSettings, database_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    """The broker is gone after a second detector has joined, while the first finishes what it has read."""
    first, second = (Detector(settings, database_url, tmp_path / f"{name}.log") for name in ("first", "second"))
    connection = await asyncpg.connect(database_url)
    try:
        with first:
            await first.has_logged("partitions_opened")
            async with connection.transaction():
                await connection.execute("lock table orders in share mode")  # what is read cannot be stored
                async with AIOKafkaProducer(**settings.client_options()) as producer:
                    await producer.send_and_wait(settings.orders_topic, orjson.dumps(plain_order("o1")))
                with second:
                    await first.has_logged("partitions_revoked", settings.orders_topic)
                    os.kill(private_kafka.pid, how)
                    await first.has_logged("drain_timed_out")
                    await asyncio.sleep(OUTAGE_SECONDS)
                    for detector in (first, second):
                        detector.process.send_signal(signal.SIGTERM)
                    for detector in (first, second):
                        await asyncio.to_thread(detector.require_end)
    finally:
        await connection.close()


async def test_it_stops_while_it_starts_without_a_broker(
    private_kafka: EmbeddedKafka, settings: KafkaSettings, database_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    os.kill(private_kafka.pid, how)
    with Detector(settings, database_url, tmp_path / "detector.log") as detector:
        await until(lambda: detector.get("/healthz")[0] == 200, "the detector to start")
        await asyncio.sleep(1)  # it connects to the broker next
        detector.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(detector.require_end)
