"""Messages that retention deletes before they are read: the detector stops, or goes past them and records the gap."""

import asyncio
import signal
from pathlib import Path

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from order_platform.settings import KafkaSettings
from tests.support.broker_topics import delete_records
from tests.support.command import Orderwatch
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.waiting import eventually, until

READ, LOST, LEFT = 10, 15, 5


async def publish(settings: KafkaSettings, first: int, count: int) -> None:
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for number in range(first, first + count):
            await producer.send_and_wait(settings.orders_topic, orjson.dumps(plain_order(f"o{number}")), partition=1)


async def gaps(database_url: str) -> list[tuple[int, int, int]]:
    connection = await asyncpg.connect(database_url)
    try:
        return [
            tuple(row) for row in await connection.fetch("select partition, first_offset, next_offset from stream_gaps")
        ]
    finally:
        await connection.close()


@pytest.mark.integration
@pytest.mark.parametrize("running", [False, True], ids=["down", "up"])
async def test_what_is_lost_is_named_and_accepted_when_the_setting_says_so(
    elsewhere: KafkaSettings, database_url: str, orderwatch: Orderwatch, tmp_path: Path, *, running: bool
) -> None:
    settings, log = elsewhere, tmp_path / "detector.log"
    with DetectorProcess(settings, database_url, log) as detector:
        await publish(settings, 0, READ)
        await until_consumed(settings, "the first messages to be consumed")
        assert detector.terminate() == 0
    await publish(settings, READ, LOST + LEFT)
    await delete_records(settings, settings.orders_topic, 1, READ + LOST)

    with DetectorProcess(settings, database_url, log) as detector:
        await asyncio.to_thread(eventually, lambda: detector.process.poll() is not None, "the detector to stop")
        assert detector.process.returncode == 1
    assert f"offsets {READ} to {READ + LOST - 1} were deleted" in log.read_text()
    assert await gaps(database_url) == []

    with DetectorProcess(settings, database_url, log, ORDERWATCH_ACCEPT_LOST_OFFSETS="true") as detector:
        await until_consumed(settings, "what is left to be consumed")
        expected = [(1, READ, READ + LOST)]
        assert await gaps(database_url) == expected
        if running:
            # It is stopped while retention overtakes it.
            end = READ + LOST + LEFT
            detector.process.send_signal(signal.SIGSTOP)
            await publish(settings, end, LOST + LEFT)
            await delete_records(settings, settings.orders_topic, 1, end + LOST)
            detector.process.send_signal(signal.SIGCONT)
            await until_consumed(settings, "what is left to be consumed")
            found = await gaps(database_url)
            # What it had fetched ahead before it was stopped may have been stored.
            assert found[0] == expected[0]
            assert all(end <= first < following == end + LOST for _, first, following in found[1:])
        assert detector.terminate() == 0
    done = await asyncio.to_thread(orderwatch, "reconcile")
    assert done.exit_code == 0, done.stdout
    assert f"{LOST} offsets lie in recorded gaps" in done.stdout or running


@pytest.mark.integration
async def test_a_gap_at_the_end_of_a_partition_is_recorded_without_a_message_behind_it(
    elsewhere: KafkaSettings, database_url: str, orderwatch: Orderwatch, tmp_path: Path
) -> None:
    settings, log = elsewhere, tmp_path / "detector.log"
    with DetectorProcess(settings, database_url, log) as detector:
        await publish(settings, 0, READ)
        await until_consumed(settings, "the first messages to be consumed")
        assert detector.terminate() == 0
    await publish(settings, READ, LOST)
    await delete_records(settings, settings.orders_topic, 1, READ + LOST)
    with DetectorProcess(settings, database_url, log, ORDERWATCH_ACCEPT_LOST_OFFSETS="true") as detector:

        async def recorded() -> bool:
            return await gaps(database_url) == [(1, READ, READ + LOST)]

        await until(recorded, "the gap to be recorded")
        assert detector.terminate() == 0
    done = await asyncio.to_thread(orderwatch, "reconcile", "--no-wait")
    assert done.exit_code == 0, done.stdout
