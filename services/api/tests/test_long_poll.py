"""Waiting for orders, over a table that the test fills."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from order_api.http.problems.availability import DatabaseUnavailable, ShuttingDown, TooManyWaiting
from order_api.http.problems.requests import ClientDisconnected
from order_api.orders.long_poll import OrderLongPoll
from order_api.orders.repository import DeadLetteredOrder, Recorded
from tests.support.waiting import until


def letter(order_id: str) -> DeadLetteredOrder:
    """Something recorded; what it is does not matter here."""
    return DeadLetteredOrder(order_id, "orders", 0, 1, 1, "not-json", "not JSON", datetime(2026, 11, 22, tzinfo=UTC))


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
    """A client that does not leave."""
    await asyncio.Event().wait()


async def test_a_recorded_order_is_returned_at_once() -> None:
    table = Table()
    table.recorded["a"] = letter("a")
    waiting = OrderLongPoll(table.find, table.find_nothing)
    assert await waiting.wait("a", 5, stays) == letter("a")
    assert waiting.count == 0


async def test_two_thousand_wait_on_one_query_at_a_time() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing)
    ids = [f"o{number}" for number in range(1000)]
    callers = [asyncio.create_task(waiting.wait(order_id, 60, stays)) for order_id in ids * 2]
    await until(
        lambda: waiting.count == 2000 and [len(asked) for asked in table.asked[-1:]] == [len(ids)],
        "all to be asked for",
    )
    assert len(table.asked) < 200
    assert sorted(table.asked[-1]) == sorted(ids)  # each id once, however many wait for it
    table.recorded |= {order_id: letter(order_id) for order_id in ids}
    assert await asyncio.gather(*callers) == [letter(order_id) for order_id in ids * 2]
    assert waiting.count == 0


async def test_a_new_order_is_seen_by_the_next_query() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing)
    for number in range(20):
        caller = asyncio.create_task(waiting.wait(f"o{number}", 60, stays))
        await asyncio.sleep(0.011)
        table.recorded[f"o{number}"] = letter(f"o{number}")
        earlier = len(table.asked)
        await caller
        assert len(table.asked) <= earlier + 1


async def test_dead_letters_end_the_waiting_too() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find_nothing, table.find)
    caller = asyncio.create_task(waiting.wait("a", 10, stays))
    await asyncio.sleep(0.02)
    table.recorded["a"] = letter("a")
    assert await asyncio.wait_for(caller, 8) == letter("a")


async def test_a_wait_without_result_ends_with_none() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing)
    assert await waiting.wait("a", 0.02, stays) is None
    assert waiting.count == 0


async def test_nothing_runs_while_no_request_waits() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing)
    await waiting.wait("a", 0.02, stays)
    await asyncio.sleep(0.05)
    asked = len(table.asked)
    await asyncio.sleep(0.05)
    assert len(table.asked) == asked
    assert len(asyncio.all_tasks()) == 1


async def test_a_caller_that_leaves_is_forgotten() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing)
    gone = asyncio.Event()
    leaver = asyncio.create_task(waiting.wait("a", 10, gone.wait))
    stayer = asyncio.create_task(waiting.wait("a", 10, stays))
    await asyncio.sleep(0.01)
    gone.set()
    with pytest.raises(ClientDisconnected):
        await leaver
    assert waiting.count == 1
    table.recorded["a"] = letter("a")
    assert await stayer == letter("a")


async def test_a_cancelled_caller_is_forgotten() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing)
    caller = asyncio.create_task(waiting.wait("a", 10, stays))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert waiting.count == 0


async def test_no_more_than_there_is_room_for() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing, max_waiting=1)
    caller = asyncio.create_task(waiting.wait("a", 10, stays))
    await asyncio.sleep(0)
    with pytest.raises(TooManyWaiting):
        await waiting.wait("b", 10, stays)
    waiting.close()
    with pytest.raises(ShuttingDown):
        await caller
    with pytest.raises(ShuttingDown):
        await waiting.wait("a", 10, stays)


async def test_an_outage_that_ends_in_time_is_not_noticed() -> None:
    table = Table()
    table.error = DatabaseUnavailable()
    waiting = OrderLongPoll(table.find, table.find_nothing, unavailable_seconds=0.01)
    caller = asyncio.create_task(waiting.wait("a", 10, stays))
    await asyncio.sleep(0.03)
    table.error = None
    table.recorded["a"] = letter("a")
    assert await caller == letter("a")


async def test_a_bug_fails_the_waiting_requests_and_no_others() -> None:
    table = Table()
    table.error = ZeroDivisionError()
    waiting = OrderLongPoll(table.find, table.find_nothing)
    with pytest.raises(ZeroDivisionError):
        await waiting.wait("a", 10, stays)
    table.error = None
    table.recorded["a"] = letter("a")
    assert await waiting.wait("a", 10, stays) == letter("a")


@pytest.mark.parametrize("table", ["orders", "stream_outcomes"])
async def test_a_notification_wakes_the_request_at_once(table: str) -> None:
    orders, letters = Table(), Table()
    waiting = OrderLongPoll(orders.find, letters.find, notify_seconds=3600)
    caller = asyncio.create_task(waiting.wait("a", 10, stays))
    await asyncio.sleep(0.02)
    (orders if table == "orders" else letters).recorded["a"] = letter("a")
    waiting.on_notify(table)
    assert await asyncio.wait_for(caller, 5) == letter("a")


async def test_a_later_request_is_looked_up_at_once() -> None:
    table = Table()
    waiting = OrderLongPoll(table.find, table.find_nothing, notify_seconds=3600)
    first = asyncio.create_task(waiting.wait("a", 0.1, stays))
    await asyncio.sleep(0.02)
    table.recorded["b"] = letter("b")
    assert await asyncio.wait_for(waiting.wait("b", 10, stays), 5) == letter("b")
    assert await first is None
