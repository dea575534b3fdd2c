"""How long loading rests beside deciding."""

import asyncio
import time

import pytest

from fraud_detector.stream.pace import FULL_SPEED, beside_deciding


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, in seconds."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_loading_beside_deciding_rests_longer_than_it_works(rests: list[float]) -> None:
    await beside_deciding(lambda: False).pause(time.perf_counter() - 0.5)
    (rest,) = rests
    assert rest >= 1.5


async def test_it_only_gives_the_loop_back_while_there_is_nothing_to_decide(rests: list[float]) -> None:
    idle = [False]
    pace = beside_deciding(lambda: idle[0])
    idle[0] = True
    await pace.pause(time.perf_counter() - 0.5)
    await FULL_SPEED.pause(time.perf_counter() - 0.5)
    assert rests == [0, 0]
