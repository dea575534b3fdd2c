"""Waiting for orders, over a table that the test fills."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from order_api.orders import waiting as waiting_module
from order_api.orders.stored import DeadLetter, Recorded
from order_api.orders.waiting import OrderWaiting
from order_api.problems.availability import DatabaseUnavailable, ShuttingDown, TooManyWaiting
from order_api.problems.requests import CallerLeft


def letter(order_id: str) -> DeadLetter:
    """Something recorded; what it is does not matter here."""
    return DeadLetter(order_id, "orders", 0, 1, 1, "not-json", "not JSON", datetime(2026, 11, 22, tzinfo=UTC))


class Table:
    """What is recorded, and each question that was asked."""

    def __init__(self) -> None:
        self.recorded: dict[str, Recorded] = {}
        self.asked: list[list[str]] = []
        self.error: Exception | None = None

    async def find(self, order_ids: Sequence[str]) -> dict[str, Recorded]:
        self.asked.append(list(order_ids))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {order_id: self.recorded[order_id] for order_id in order_ids if order_id in self.recorded}

    async def find_nothing(self, order_ids: Sequence[str]) -> dict[str, Recorded]:
        return {}


async def stays() -> None:
    """A caller that does not leave."""
    await asyncio.Event().wait()


async def test_what_is_there_is_answered_at_once() -> None:
    table = Table()
    table.recorded["a"] = letter("a")
    waiting = OrderWaiting(table.find, table.find_nothing)
    assert await waiting.recorded("a", 5, stays) == letter("a")
    assert waiting.count == 0


async def test_two_thousand_wait_on_one_query_at_a_time() -> None:
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing)
    ids = [f"o{number}" for number in range(1000)]
    callers = [asyncio.create_task(waiting.recorded(order_id, 10, stays)) for order_id in ids * 2]
    await asyncio.sleep(0.1)
    assert waiting.count == 2000
    assert len(table.asked) < 20
    assert sorted(table.asked[-1]) == sorted(ids)  # each id once, however many wait for it
    table.recorded |= {order_id: letter(order_id) for order_id in ids}
    assert await asyncio.gather(*callers) == [letter(order_id) for order_id in ids * 2]
    assert waiting.count == 0


async def test_a_new_order_is_seen_within_milliseconds() -> None:
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing)
    delays = []
    for number in range(20):
        caller = asyncio.create_task(waiting.recorded(f"o{number}", 5, stays))
        await asyncio.sleep(0.011)
        stored = time.perf_counter()
        table.recorded[f"o{number}"] = letter(f"o{number}")
        await caller
        delays.append(time.perf_counter() - stored)
    assert sorted(delays)[10] < 0.02


async def test_dead_letters_end_the_waiting_too() -> None:
    table = Table()
    waiting = OrderWaiting(table.find_nothing, table.find)
    caller = asyncio.create_task(waiting.recorded("a", 10, stays))
    await asyncio.sleep(0.02)
    table.recorded["a"] = letter("a")
    assert await asyncio.wait_for(caller, 2) == letter("a")


async def test_time_runs_out() -> None:
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing)
    assert await waiting.recorded("a", 0.02, stays) is None
    assert waiting.count == 0


async def test_nothing_runs_while_nobody_waits() -> None:
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing)
    await waiting.recorded("a", 0.02, stays)
    await asyncio.sleep(0.05)
    asked = len(table.asked)
    await asyncio.sleep(0.05)
    assert len(table.asked) == asked
    assert waiting._polling is None


async def test_a_caller_that_leaves_is_forgotten() -> None:
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing)
    gone = asyncio.Event()
    leaver = asyncio.create_task(waiting.recorded("a", 10, gone.wait))
    stayer = asyncio.create_task(waiting.recorded("a", 10, stays))
    await asyncio.sleep(0.01)
    gone.set()
    with pytest.raises(CallerLeft):
        await leaver
    assert waiting.count == 1
    table.recorded["a"] = letter("a")
    assert await stayer == letter("a")


async def test_a_cancelled_caller_is_forgotten() -> None:
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing)
    caller = asyncio.create_task(waiting.recorded("a", 10, stays))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert waiting.count == 0


async def test_no_more_than_there_is_room_for() -> None:
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing, max_waiting=1)
    caller = asyncio.create_task(waiting.recorded("a", 10, stays))
    await asyncio.sleep(0)
    with pytest.raises(TooManyWaiting):
        await waiting.recorded("b", 10, stays)
    waiting.close()
    with pytest.raises(ShuttingDown):
        await caller
    with pytest.raises(ShuttingDown):
        await waiting.recorded("a", 10, stays)


async def test_an_outage_that_ends_in_time_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_module, "AWAY_SECONDS", 0.01)
    table = Table()
    table.error = DatabaseUnavailable()
    waiting = OrderWaiting(table.find, table.find_nothing)
    caller = asyncio.create_task(waiting.recorded("a", 10, stays))
    await asyncio.sleep(0.03)
    table.error = None
    table.recorded["a"] = letter("a")
    assert await caller == letter("a")


async def test_a_bug_is_seen_by_those_who_wait_and_by_nobody_else() -> None:
    table = Table()
    table.error = ZeroDivisionError()
    waiting = OrderWaiting(table.find, table.find_nothing)
    with pytest.raises(ZeroDivisionError):
        await waiting.recorded("a", 10, stays)
    table.error = None
    table.recorded["a"] = letter("a")
    assert await waiting.recorded("a", 10, stays) == letter("a")


@pytest.mark.parametrize("table", ["orders", "stream_outcomes"])
async def test_a_word_is_acted_on_at_once(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    monkeypatch.setattr(waiting_module, "UNHEARD_SECONDS", 3600)
    orders, letters = Table(), Table()
    waiting = OrderWaiting(orders.find, letters.find)
    caller = asyncio.create_task(waiting.recorded("a", 10, stays))
    await asyncio.sleep(0.02)
    (orders if table == "orders" else letters).recorded["a"] = letter("a")
    waiting.tell(table)
    assert await asyncio.wait_for(caller, 5) == letter("a")


async def test_who_comes_later_is_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_module, "UNHEARD_SECONDS", 3600)
    table = Table()
    waiting = OrderWaiting(table.find, table.find_nothing)
    first = asyncio.create_task(waiting.recorded("a", 0.1, stays))
    await asyncio.sleep(0.02)
    table.recorded["b"] = letter("b")
    assert await asyncio.wait_for(waiting.recorded("b", 10, stays), 5) == letter("b")
    assert await first is None
