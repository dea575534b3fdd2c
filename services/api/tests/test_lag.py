"""The lag: asked for seldom, known or not, never an error."""

import asyncio
from itertools import count
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from order_api.kit.lag_monitor import UNAVAILABLE_SECONDS, LagMonitor
from order_platform.kafka.lag import LagReader
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings


async def test_the_total_is_over_all_partitions(lag: Any) -> None:
    monitor = LagMonitor(lag.open)
    assert (await monitor.read()).total == 2 + 1
    await monitor.close()


async def test_many_callers_share_one_reading(lag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    honest = lag.read

    async def counted() -> object:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return await honest()

    monkeypatch.setattr(lag, "read", counted)
    monitor = LagMonitor(lag.open)
    readings = await asyncio.gather(*(monitor.read() for _ in range(100)))
    assert {reading.total for reading in readings} == {3}
    assert (reads, lag.opened) == (1, 1)


async def test_an_unavailable_broker_is_asked_once_a_second(lag: Any) -> None:
    lag.away = True
    now = 0.0
    monitor = LagMonitor(lag.open, clock=lambda: now)
    reading = await monitor.read()
    assert reading.total is None
    assert reading.problem == "Kafka cannot be asked (KafkaConnectionError)"
    lag.away = False
    assert (await monitor.read()).total is None
    now += UNAVAILABLE_SECONDS
    assert (await monitor.read()).total == 3


async def test_a_recovered_broker_is_connected_to_again(lag: Any) -> None:
    ticks = count()
    monitor = LagMonitor(lag.open, clock=lambda: float(next(ticks)) * 10)
    for away, total in ((False, 3), (True, None), (False, 3)):
        lag.away = away
        assert (await monitor.read()).total == total
    assert lag.opened == 2


async def test_a_broker_that_is_silent_is_given_up(lag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "read", lambda: asyncio.sleep(60))
    assert (await LagMonitor(lag.open, ask_seconds=0.01).read()).total is None


async def test_no_topic_is_no_lag(lag: Any) -> None:
    lag.partitions = []
    reading = await LagMonitor(lag.open).read()
    assert (reading.total, reading.problem) == (None, "the orders topic is not there")


@pytest.mark.integration
async def test_a_real_broker_fails_and_recovers(private_kafka: Any) -> None:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers)
    await ensure_topics(settings)
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for _ in range(3):
            await producer.send_and_wait(settings.orders_topic, b"an order")
    ticks = count()
    monitor = LagMonitor(  # nothing stays fresh
        lambda: LagReader(settings), ask_seconds=30, clock=lambda: float(next(ticks)) * 10
    )

    async def known() -> int | None:
        """The lag, once the broker has made up its mind who coordinates the group."""
        for _ in range(20):
            total = (await monitor.read()).total
            if total is not None:
                return total
            await asyncio.sleep(0.5)
        return None

    assert await known() == 3
    private_kafka.kill()
    assert "Kafka cannot be asked" in ((await monitor.read()).problem or "")
    private_kafka.start()
    await asyncio.to_thread(private_kafka.wait_ready)
    assert await known() == 3
    await monitor.close()
