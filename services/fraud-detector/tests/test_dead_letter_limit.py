"""Dead-letter limit: off by default; by run and by share; the error says where to look."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from fraud_detector.settings import DetectorSettings
from fraud_detector.stream.dead_letter_limit import DeadLetterLimit
from fraud_detector.stream.ports import DeadLetterLimitError
from order_contract.dead_letter_record import RejectedMessage
from order_contract.error_types import ErrorType
from order_platform.settings import KafkaSettings
from simulation.fakes import FakeMessage
from tests.support.detector import DetectorProcess
from tests.support.waiting import eventually


def bad(partition: int, offset: int) -> RejectedMessage:
    return RejectedMessage(FakeMessage(partition, offset, b"{"), ErrorType.NOT_JSON, "not JSON")


def count(limit: DeadLetterLimit, pattern: str, partition: int = 0) -> None:
    """Count messages: `x` is bad data, anything else an order."""
    for offset, each in enumerate(pattern):
        limit.count(partition, bad(partition, offset) if each == "x" else None)


def test_it_is_off_by_default() -> None:
    settings = DetectorSettings()
    limit = DeadLetterLimit(share=settings.dead_letter_limit_share, run=settings.dead_letter_limit_run)
    assert not limit.is_on
    count(limit, "x" * 5_000)


def test_a_run_is_counted_by_partition_and_ended_by_an_order() -> None:
    limit = DeadLetterLimit(run=3)
    count(limit, "xxx.xxx", partition=0)
    count(limit, "xxx", partition=1)
    with pytest.raises(DeadLetterLimitError):
        count(limit, "x", partition=1)


def test_a_share_is_of_the_last_messages_once_there_are_so_many() -> None:
    limit = DeadLetterLimit(share=0.5, window=10)
    count(limit, "xxxxx.....")
    count(limit, ".....xxxxx")
    with pytest.raises(DeadLetterLimitError, match="6 of the last 10 messages are not valid order events"):
        count(limit, "....xxxxxx")


def test_it_counts_from_zero_when_the_partitions_change() -> None:
    limit = DeadLetterLimit(run=3, share=0.5, window=4)
    count(limit, "xxx")
    limit.reset()
    count(limit, "xxx")


def test_the_error_names_the_setting_the_message_and_where_to_look() -> None:
    with pytest.raises(DeadLetterLimitError) as caught:
        count(DeadLetterLimit(run=1), "xx")
    for part in (
        "2 messages in a row",
        "ORDERWATCH_DEAD_LETTER_LIMIT_RUN=1",
        "orders/0/1: not-json: not JSON",
        "neither stored nor committed",
        "publishes to topic orders",
        "fraud-detector dead-letters list",
    ):
        assert part in str(caught.value)


@pytest.mark.integration
async def test_a_detector_beyond_the_limit_ends_with_the_error_and_stores_nothing(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    async with AIOKafkaProducer(**kafka_settings.client_options()) as producer:
        for _ in range(20):
            await producer.send_and_wait(kafka_settings.orders_topic, b"<order/>", partition=0)
    log = tmp_path / "detector.log"
    limit = {"ORDERWATCH_DEAD_LETTER_LIMIT_RUN": "5"}
    with DetectorProcess(kafka_settings, database_url, log, **limit) as detector:
        await asyncio.to_thread(eventually, lambda: detector.process.poll() is not None, "the detector to end")
    assert detector.process.returncode == 1
    text = log.read_text()
    assert "6 messages in a row are not valid order events" in text
    assert "Traceback" not in text
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("select count(*) from stream_outcomes") == 0
    finally:
        await connection.close()
