"""A broker that refuses what is published: the detector ends and says what to change, as no retry cures that."""

import asyncio
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.broker_topics import configure, delete_topic
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.waiting import eventually


@pytest.mark.integration
async def test_a_limit_of_the_broker_ends_the_detector_and_is_named(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    settings, log = kafka_settings, tmp_path / "detector.log"
    await configure(settings, settings.decisions_topic, max_message_bytes="50")
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        await producer.send_and_wait(settings.orders_topic, orjson.dumps(plain_order()))
    with DetectorProcess(settings, database_url, log) as detector:
        await asyncio.to_thread(eventually, lambda: detector.process.poll() is not None, "the detector to end")
        assert detector.process.returncode == 1
        text = log.read_text()
        assert "the broker refuses what is published" in text
        assert "raise max.message.bytes" in text
        assert "Traceback" not in text

        await configure(settings, settings.decisions_topic)
        detector.start()
        await until_consumed(settings, "the order to be consumed once the limit is raised")
        assert detector.terminate() == 0


@pytest.mark.integration
async def test_readiness_does_not_flap_while_publishing_fails(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    """Everything but producing goes well: the topic of the decisions is not there."""
    settings = kafka_settings
    await delete_topic(settings, settings.decisions_topic)
    with DetectorProcess(settings, database_url, tmp_path / "detector.log") as detector:
        async with AIOKafkaProducer(**settings.client_options()) as producer:
            await producer.send_and_wait(settings.orders_topic, orjson.dumps(plain_order()))
        await asyncio.to_thread(
            eventually, lambda: "broker: no response" in detector.get("/readyz")[1], "the failure to be named"
        )
        # Several rounds of asking the broker whether it responds, which it does.
        for _ in range(120):
            assert detector.get("/readyz")[0] == 503
            await asyncio.sleep(0.1)
        assert await ensure_topics(settings) == (settings.decisions_topic,)
        await asyncio.to_thread(eventually, lambda: detector.get("/readyz")[0] == 200, "the recovery to be noticed")
        await until_consumed(settings, "the decision to be published")
        assert detector.terminate() == 0
