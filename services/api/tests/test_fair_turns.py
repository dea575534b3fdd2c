"""Turns at costly requests: bounded for a key, fair between keys, short queues, nothing lost on cancellation."""

import asyncio
from collections.abc import Callable

import pytest

from order_api.http.problems.availability import TooBusy
from order_api.http.problems.rejections import TooManyAtOnce
from order_api.kit.fair_turns import FairTurns


class Work:
    """Requests that take a turn each, and keep it until the test says so."""

    def __init__(self, turns: FairTurns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.running: list[str] = []
        self.resume = asyncio.Semaphore(0)

    async def one(self, key: str) -> None:
        async with self.turns.turn(key):
            self.order.append(key)
            self.running.append(key)
            try:
                await self.resume.acquire()
            finally:
                self.running.remove(key)

    def start(self, key: str, count: int = 1) -> list["asyncio.Task[None]"]:
        return [asyncio.create_task(self.one(key)) for _ in range(count)]


async def settle(condition: Callable[[], bool] = lambda: False) -> None:
    for _ in range(50):
        if condition():
            return
        await asyncio.sleep(0)


async def test_a_key_leaves_room_for_others() -> None:
    work = Work(FairTurns(total=4, per_key=3))
    hostile = work.start("hostile", 10)
    await settle()
    other = work.start("other")
    await settle()
    assert work.running == ["hostile"] * 3 + ["other"]
    for _ in range(11):
        work.resume.release()
    await asyncio.gather(*hostile, *other)
    assert (work.turns.free, work.turns.waiting) == (4, 0)


async def test_keys_that_wait_alternate() -> None:
    work = Work(FairTurns(total=1, per_key=1))
    tasks = work.start("a", 4) + work.start("b", 2) + work.start("c", 1)
    await settle()
    for _ in range(7):
        work.resume.release()
        await settle()
    await asyncio.gather(*tasks)
    assert work.order == ["a", "a", "b", "c", "a", "b", "a"]


async def test_a_full_queue_rejects_the_key_and_no_other() -> None:
    work = Work(FairTurns(total=2, per_key=1, queued=2, rejection_seconds=(0, 0)))
    tasks = work.start("a", 3)
    await settle()
    with pytest.raises(TooManyAtOnce):
        await work.one("a")
    other = work.start("b")
    await settle()
    assert work.running == ["a", "b"]
    for _ in range(4):
        work.resume.release()
    await asyncio.gather(*tasks, *other)


async def test_waiting_ends() -> None:
    work = Work(FairTurns(total=1, per_key=1, seconds=0.01))
    (running,) = work.start("a")
    await settle()
    with pytest.raises(TooManyAtOnce):
        await work.one("a")
    with pytest.raises(TooBusy):
        await work.one("b")
    assert work.turns.waiting == 0
    work.resume.release()
    await running
    assert work.turns.free == 1


@pytest.mark.parametrize("steps", range(6))
async def test_a_client_that_leaves_takes_no_turn_with_it(steps: int) -> None:
    """Whether it leaves while it waits, or just as it is granted a turn."""
    work = Work(FairTurns(total=1, per_key=1))
    (first,) = work.start("a")
    (leaving,) = work.start("b")
    await settle()
    work.resume.release()
    for _ in range(steps):
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([first, leaving])
    work.resume.release()
    await asyncio.wait_for(work.one("c"), 5)
    assert (work.turns.free, work.turns.waiting) == (1, 0)
