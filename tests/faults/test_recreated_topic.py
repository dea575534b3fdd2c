"""A topic that is deleted and created again: the detector stops, nothing is skipped, and nothing is hidden."""

import asyncio
from collections import Counter
from pathlib import Path

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from typer.testing import CliRunner, Result

from fraud_detector.cli import build_application
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.broker_topics import delete_topic
from tests.support.command import Orderwatch
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.reading import read_topic
from tests.support.waiting import eventually

PARTITIONS = 4
BEFORE = 40
FEWER, AS_MANY, MORE = BEFORE // 2, BEFORE, 2 * BEFORE

# A running detector's next offset is beyond the new topic's end, or within it. One that starts compares its committed
# offset, which may also be the very end.
CASES = [
    ("up", FEWER), ("up", MORE), ("down", FEWER), ("down", AS_MANY), ("down", MORE), ("restarting", AS_MANY),
]  # fmt: skip


def value(order_id: str, number: int) -> bytes:
    """An order, or what is not one: every fifth message is bad data."""
    return b'{"order_id":"%s"}' % order_id.encode() if number % 5 == 4 else orjson.dumps(plain_order(order_id))


async def publish(settings: KafkaSettings, prefix: str, count: int) -> None:
    """Publish `count` messages, round the partitions."""
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for number in range(count):
            await producer.send_and_wait(
                settings.orders_topic, value(f"{prefix}{number}", number), partition=number % PARTITIONS
            )


async def create_topic(settings: KafkaSettings) -> None:
    """Create the topic again, as soon as the broker lets us."""
    async with asyncio.timeout(120):
        while True:
            try:
                if settings.orders_topic in await ensure_topics(settings):
                    return
            except KafkaError:
                pass
            await asyncio.sleep(0.01)


def accept_topic() -> Result:
    """`fraud-detector accept-topic --yes`, in this process: starting one takes longer than what it does."""
    return CliRunner().invoke(build_application(), ["accept-topic", "--yes"])


async def outcomes(database_url: str, epoch: int) -> Counter[str]:
    """How many messages of an epoch have which outcome; each origin counts once."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            """
            select source_partition, source_offset, 'stored' as outcome from orders where source_epoch = $1
            union
            select partition, "offset", outcome from stream_outcomes where epoch = $1
            """,
            epoch,
        )
    finally:
        await connection.close()
    assert len({(row[0], row[1]) for row in rows}) == len(rows), "an origin has two outcomes"
    return Counter(row["outcome"] for row in rows)


@pytest.mark.integration
@pytest.mark.parametrize(("state", "count"), CASES)
async def test_nothing_is_skipped_and_nothing_is_hidden(
    elsewhere: KafkaSettings, database_url: str, tmp_path: Path, orderwatch: Orderwatch, *, state: str, count: int
) -> None:
    settings = elsewhere
    log = tmp_path / "detector.log"
    with DetectorProcess(settings, database_url, log) as detector:
        await publish(settings, "old", BEFORE)
        await until_consumed(settings, "the first topic to be consumed")
        if state == "down":
            assert detector.terminate() == 0
        elif state == "restarting":
            detector.kill()
        await delete_topic(settings, settings.orders_topic)
        if state == "restarting":
            detector.start()
        await create_topic(settings)
        # The same ids as before, in part: stored already, these are duplicates.
        await publish(settings, "old", count // 2)
        await publish(settings, "new", count - count // 2)
        if state == "down":
            detector.start()

        await asyncio.to_thread(eventually, lambda: detector.process.poll() is not None, "the detector to stop")
        assert detector.process.returncode == 1
        assert "was deleted and created again" in log.read_text()
        detector.start()  # as a supervisor would: it stops again, however often
        await asyncio.to_thread(eventually, lambda: detector.process.poll() is not None, "the detector to stop again")
        assert "fraud-detector accept-topic" in log.read_text()
        assert await outcomes(database_url, 2) == {}

        reconcile = await asyncio.to_thread(orderwatch, "reconcile", "--no-wait")
        assert reconcile.exit_code == 1, reconcile.stdout
        assert f"{count} messages wait" in reconcile.stdout

        accept = await asyncio.to_thread(accept_topic)
        assert accept.exit_code == 0, accept.output
        assert f"has read {BEFORE} messages" in accept.stdout
        detector.start()
        await until_consumed(settings, "the second topic to be consumed")
        assert detector.terminate() == 0

    bad = sum(number % 5 == 4 for number in range(count // 2)) + sum(
        number % 5 == 4 for number in range(count - count // 2)
    )
    repeated = sum(number % 5 != 4 for number in range(min(count // 2, BEFORE)))
    assert await outcomes(database_url, 1) == {"stored": BEFORE * 4 // 5, "dead-letter": BEFORE // 5}
    assert await outcomes(database_url, 2) == {
        "stored": count - bad - repeated, "duplicate": repeated, "dead-letter": bad
    }  # fmt: skip
    letters = [record.key for record in await read_topic(settings, settings.dead_letter_topic)]
    assert len(set(letters)) == len(letters) == BEFORE // 5 + bad
    reconcile = await asyncio.to_thread(orderwatch, "reconcile")
    assert reconcile.exit_code == 0, reconcile.stdout
    assert f"{BEFORE + count}" in reconcile.stdout
    again = await asyncio.to_thread(accept_topic)
    assert "nothing to accept" in again.stdout
