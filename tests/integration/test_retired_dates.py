"""Orders of retired dates, on a real broker and database: dead letters, counted, and not redriven."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from order_platform.settings import KafkaSettings
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.reading import read_topic
from tests.support.service import run_command

OLD, NEW = "2026-10-01T12:00:00", "2026-11-20T12:00:00"


async def publish(settings: KafkaSettings, orders: dict[str, str]) -> None:
    """Orders, by their ids and times, to partition 0."""
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for order_id, created in orders.items():
            value: dict[str, Any] = {**plain_order(order_id), "created_date": created}
            await producer.send_and_wait(settings.orders_topic, orjson.dumps(value), partition=0)
    await until_consumed(settings, "the orders to be consumed")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.mark.integration
async def test_they_are_dead_letters_and_everything_still_adds_up(
    kafka_settings: KafkaSettings,
    database_url: str,
    connection: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
) -> None:
    settings = kafka_settings
    with DetectorProcess(settings, database_url, tmp_path / "detector.log") as detector:
        await publish(settings, {"old-0": OLD, "old-1": OLD, "new-0": NEW})
        await connection.execute(
            "insert into warehouse_loads (warehouse, table_name, partition_start, frozen_at) "
            "values ('w', 'orders', '2026-10-01', now())"
        )
        await connection.execute("select move_retention('2026-11-01')")
        assert await connection.fetchval("select retire_orders(100)") == 2

        await publish(settings, {"old-1": OLD, "late": OLD, "new-1": NEW})
        assert 'messages_recorded_total{outcome="dead-letter"} 2.0' in detector.get("/metrics")[1]
        assert detector.terminate() == 0

    stored = await connection.fetch("select order_id from orders order by 1")
    assert [row["order_id"] for row in stored] == ["new-0", "new-1"]
    letters = await read_topic(settings, settings.dead_letter_topic)
    headers = [dict(letter.headers) for letter in letters]
    assert [(each["error_type"], each["order_id"]) for each in headers] == [
        (b"retired-date", b"old-1"), (b"retired-date", b"late"),
    ]  # fmt: skip
    done = await asyncio.to_thread(run_command, settings, database_url, "orderwatch", "reconcile", "--decisions")
    assert done.returncode == 0, done.stdout
    assert "2 stored orders were removed by retention" in done.stdout

    origin = f"{settings.orders_topic}/0/4"
    redrive = ("fraud_detector", "dead-letters", "redrive", origin, "--yes")
    done = await asyncio.to_thread(run_command, settings, database_url, *redrive)
    assert done.returncode == 1
    assert "is of a retired date" in " ".join((done.stdout + done.stderr).split())
