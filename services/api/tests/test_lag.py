"""The lag: asked for seldom, known or not, never an error."""

import asyncio
from typing import Any

import pytest

from order_api import lag as lag_module
from order_api.lag import LagMonitor


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


async def test_a_broker_that_is_away_is_asked_once_a_second(lag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lag.away = True
    monitor = LagMonitor(lag.open)
    reading = await monitor.read()
    assert reading.total is None
    assert reading.problem == "Kafka cannot be reached"
    lag.away = False
    assert (await monitor.read()).total is None
    monkeypatch.setattr(monitor, "_good_until", 0)
    assert (await monitor.read()).total == 3


async def test_a_broker_that_goes_and_comes_back_is_connected_to_again(lag: Any) -> None:
    monitor = LagMonitor(lag.open)
    for away, total in ((False, 3), (True, None), (False, 3)):
        lag.away = away
        monitor._good_until = 0
        assert (await monitor.read()).total == total
    assert lag.opened == 2


async def test_a_broker_that_is_silent_is_given_up(lag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag_module, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(lag, "read", lambda: asyncio.sleep(60))
    assert (await LagMonitor(lag.open).read()).total is None


async def test_no_topic_is_no_lag(lag: Any) -> None:
    lag.partitions = []
    reading = await LagMonitor(lag.open).read()
    assert (reading.total, reading.problem) == (None, "the orders topic is not there")
