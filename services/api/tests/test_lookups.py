"""Look-ups by id share queries, and nothing else: neither a client's end nor another order's absence."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from order_api.http.problems.availability import DatabaseUnavailable
from order_api.orders.lookups import MAX_IDS, MAX_QUERIES, OrderLookups
from order_api.orders.repository import DeadLetteredOrder, StoredOrder


class Orders:
    """Orders and dead letters by id; answers when `answer` is set."""

    def __init__(self) -> None:
        self.queries: list[list[str]] = []
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def find(self, order_ids: Sequence[str]) -> Mapping[str, StoredOrder]:
        self.queries.append(sorted(order_ids))
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return {each: cast("StoredOrder", f"order {each}") for each in order_ids if each.startswith("o")}

    async def find_dead_letters(self, order_ids: Sequence[str]) -> Mapping[str, DeadLetteredOrder]:
        return {each: cast("DeadLetteredOrder", f"letter {each}") for each in order_ids if each.startswith("d")}


async def looked_up(lookups: OrderLookups, *order_ids: str) -> "list[asyncio.Task[object]]":
    """Look-ups under way, each begun after the one before has asked."""
    tasks: list[asyncio.Task[object]] = []
    for order_id in order_ids:
        tasks.append(asyncio.create_task(lookups.find(order_id)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


async def test_what_arrives_while_queries_are_under_way_shares_the_next_one() -> None:
    orders = Orders()
    lookups = OrderLookups(orders.find, orders.find_dead_letters)
    ids = [f"o-{n:02}" for n in range(MAX_QUERIES + 5)]
    tasks = await looked_up(lookups, *ids, ids[-1], "d-1", "x-1")
    assert orders.queries == [[each] for each in ids[:MAX_QUERIES]]
    orders.answer.set()
    found = await asyncio.gather(*tasks)
    assert found == [*(f"order {each}" for each in (*ids, ids[-1])), "letter d-1", None]
    assert orders.queries[MAX_QUERIES:] == [sorted([*ids[MAX_QUERIES:], "d-1", "x-1"])]


async def test_a_query_is_bounded() -> None:
    orders = Orders()
    lookups = OrderLookups(orders.find, orders.find_dead_letters)
    tasks = await looked_up(lookups, *(f"o-{n:03}" for n in range(MAX_QUERIES + MAX_IDS * 2 + 1)))
    orders.answer.set()
    assert None not in await asyncio.gather(*tasks)
    assert [len(query) for query in orders.queries] == [*[1] * MAX_QUERIES, MAX_IDS, MAX_IDS, 1]


async def test_a_client_that_leaves_takes_nothing_from_the_others() -> None:
    orders = Orders()
    lookups = OrderLookups(orders.find, orders.find_dead_letters)
    first, second = await looked_up(lookups, "o-1", "o-2")
    first.cancel()
    same = (await looked_up(lookups, "o-1"))[0]
    orders.answer.set()
    assert (await second, await same) == ("order o-2", "order o-1")
    assert first.cancelled()


async def test_an_error_reaches_all_that_share_the_query_and_none_later() -> None:
    orders = Orders()
    orders.error = DatabaseUnavailable()
    lookups = OrderLookups(orders.find, orders.find_dead_letters)
    tasks = await looked_up(lookups, *(f"o-{n}" for n in range(MAX_QUERIES + 2)))
    orders.answer.set()
    assert all(isinstance(each, DatabaseUnavailable) for each in await asyncio.gather(*tasks, return_exceptions=True))
    orders.error = None
    (later,) = await looked_up(lookups, "o-9")
    assert await later == "order o-9"


@pytest.mark.parametrize("order_id", ["d-1", "x-1"])
async def test_what_is_not_stored_may_be_a_dead_letter(order_id: str) -> None:
    orders = Orders()
    orders.answer.set()
    (lookup,) = await looked_up(OrderLookups(orders.find, orders.find_dead_letters), order_id)
    assert await lookup == ("letter d-1" if order_id == "d-1" else None)
