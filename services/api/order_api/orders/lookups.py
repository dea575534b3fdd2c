"""Look-ups of orders by id: those that arrive while queries are under way share the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from order_api.http.problems.orders import OrderUnknown
from order_api.orders.repository import DeadLetteredOrder, Recorded, StoredOrder, find_orders
from order_platform.postgres.sql_builder import QueryExecutor

FindOrders = Callable[[Sequence[str]], Awaitable[Mapping[str, StoredOrder]]]
FindDeadLetters = Callable[[Sequence[str]], Awaitable[Mapping[str, DeadLetteredOrder]]]
"""Those of these order ids that are recorded so."""
Query = asyncio.Task[Mapping[str, StoredOrder]]

# Two, so that the database need not wait for the API. They leave connections for keys and sessions.
MAX_QUERIES: Final = 2
# Bounds what one query reads: an order can have attributes of a megabyte.
MAX_IDS: Final = 32


async def require_order(database: QueryExecutor, order_id: str) -> StoredOrder:
    """An order that is stored. Raises OrderUnknown."""
    found = await find_orders(database, [order_id])
    if order_id not in found:
        raise OrderUnknown(None)
    return found[order_id]


class OrderLookups:
    """Finds orders by id. Under load one query finds many orders, for little more than the price of one."""

    def __init__(self, find_orders: FindOrders, find_dead_letters: FindDeadLetters) -> None:
        self._find_orders = find_orders
        self._find_dead_letters = find_dead_letters
        self._free = asyncio.Semaphore(MAX_QUERIES)
        self._gathered_ids: set[str] = set()
        self._next: Query | None = None

    async def find(self, order_id: str) -> Recorded | None:
        """What an order id is recorded as: the stored order, else its dead letter. Raises what the queries raise."""
        order = await self._find_stored(order_id)
        return (await self._find_dead_letters([order_id])).get(order_id) if order is None else order

    async def _find_stored(self, order_id: str) -> StoredOrder | None:
        query = self._next
        if query is None or len(self._gathered_ids) >= MAX_IDS:
            self._gathered_ids = set()
            query = self._next = asyncio.create_task(self._query(self._gathered_ids))
        self._gathered_ids.add(order_id)
        # A client that leaves must not take the query from the others.
        return (await asyncio.shield(query)).get(order_id)

    async def _query(self, order_ids: set[str]) -> Mapping[str, StoredOrder]:
        async with self._free:
            if order_ids is self._gathered_ids:
                self._next = None  # the next look-up begins another one
            return await self._find_orders(list(order_ids))
