"""Containers killed at random under load: nothing lost, nothing twice. On demand: ORDERWATCH_TEST_KILL_SECONDS=120."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from order_platform.settings import KafkaSettings
from tests.containers.stack import Stack
from tests.faults.load import Load, under
from tests.support.consumed import until_consumed
from tests.support.ledger import Ledger
from tests.support.waiting import until

SECONDS = float(os.environ.get("ORDERWATCH_TEST_KILL_SECONDS", "0"))
SEED = int(os.environ.get("ORDERWATCH_TEST_KILL_SEED", "1"))
RATE = 500
VICTIMS = ("redpanda", "postgres", "fraud-detector", "fraud-detector", "fraud-detector", "api", "console")
LONGEST_PAUSE = 3.0

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.usefixtures("docker"),
    pytest.mark.skipif(not SECONDS, reason="ORDERWATCH_TEST_KILL_SECONDS=120 kills containers for so long"),
]


async def test_nothing_is_lost_when_containers_are_killed_at_random(docker: None, tmp_path: Path) -> None:
    stack = Stack(tmp_path, ORDERWATCH_DETECTORS="3", ORDERWATCH_PRODUCERS="0")
    try:
        await asyncio.to_thread(stack.up, "--build")
        env = await asyncio.to_thread(stack.environment)
        settings = KafkaSettings(kafka=env["ORDERWATCH_KAFKA"])
        ledger = Ledger()
        load = Load(settings, ledger, rate=RATE)
        async with under(load):
            await until(lambda: len(ledger.acknowledged) > RATE, "the load to start")
            killed = await _kill_at_random(stack)
        await asyncio.to_thread(stack.wait_healthy, *set(VICTIMS))
        await until_consumed(settings, "the detectors to catch up", within=300)
        counts = await ledger.verify(settings, env["ORDERWATCH_DATABASE_URL"])
    finally:
        await asyncio.to_thread(stack.down, volumes=True)
    print(f"\nkilled {dict(killed)}; acknowledged {len(ledger.acknowledged):,}; outcomes {dict(counts)}")
    assert counts.keys() == {"stored", "duplicate", "conflict", "dead-letter"}
    assert counts.total() >= len(ledger.acknowledged) > RATE


async def _kill_at_random(stack: Stack) -> Counter[str]:
    """For as long as was asked; returns how often each service was hit."""
    chance, killed = random.Random(SEED), Counter[str]()
    loop = asyncio.get_running_loop()
    end = loop.time() + SECONDS
    while loop.time() < end:
        service = chance.choice(VICTIMS)
        running = await asyncio.to_thread(stack.containers, service)
        if running:
            await asyncio.to_thread(stack.kill, chance.choice(running))
            killed[service] += 1
        await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE))
    return killed
