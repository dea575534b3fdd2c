"""Filters that no index answers: a page searches so far, says how far, and its cursor continues the search."""

import itertools
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.orders.filters import Criteria
from order_api.orders.repository import Position, edge_statement, page_statement
from order_api.orders.service import OrderService

pytestmark = pytest.mark.integration

# Each matches some of the orders below; those that conflict match none together.
FILTERS = {
    "user_id": "u1", "product_id": "p1", "rule": "large-order", "outcome": "review", "status": "fraud",
    "country": "SG", "payment_method": "OVO", "device_id": "d1", "ip_address": "10.0.0.1", "currency": "USD",
    "min_amount": "5", "max_amount": "60", "from": "2026-11-22T12:00:05+07:00", "to": "2026-11-22T12:00:35+07:00",
}  # fmt: skip


# Most pairs of filters match enough of so many for several pages and several pauses.
ORDERS = 80


def some_orders(order: Any) -> list[Any]:
    """Orders in which every property is spread differently."""
    noon = order().created_date
    return [
        order(
            f"o{n:03}", flagged=n % 5 < 2, user_id=f"u{n % 2}", product_id=f"p{n % 3}",
            country=("ID", "SG")[n % 7 == 0],
            payment_method=("QRIS", "OVO")[n % 4 == 0], device_id=f"d{n % 6}", ip_address=f"10.0.0.{n % 8}",
            currency=("IDR", "USD")[n % 9 == 0], amount=n, created_date=noon + timedelta(seconds=n // 2),
            outcome=("review", "decline", "approve", "approve", "approve")[n % 5],
        )
        for n in range(ORDERS)
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/flags"])
async def test_a_search_finds_everything_once(
    client: httpx.AsyncClient, store: Any, order: Any, path: str, service_of: Any
) -> None:
    """Every pair of filters, walked in small steps, gives what one large page gives."""
    await store(*some_orders(order))
    names = [name for name in FILTERS if path == "/v1/orders" or name != "status"]
    paused = 0
    service = service_of(client, OrderService)
    for first, second in itertools.combinations_with_replacement(names, 2):
        wanted = {name: FILTERS[name] for name in (first, second)}
        service.searched_rows = 10_000
        whole = (await client.get(path, params={**wanted, "limit": 500})).raise_for_status().json()
        assert whole["next"] is None
        assert whole["searched_to"] is None
        service.searched_rows = 7
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get(path, params={**wanted, "limit": 3, **cursor})).raise_for_status().json()
            found += page["items"]
            if page["next"] is None:
                break
            if len(page["items"]) < 3:
                paused += 1
                assert page["searched_to"] is not None
            cursor = {"cursor": page["next"]}
        assert found == whole["items"], wanted
    assert paused > 100


CHEAP = 250  # rows that a plan may drop
HEAVY = {"user_id": "user-1", "device_id": "device-1", "ip_address": "36.68.10.20"}
MATCHLESS = {"product_id": "nope", "rule": "nope", "country": "JP", "payment_method": "nope", "currency": "USD",
             "outcome": "review", "min_amount": 10**14}  # fmt: skip


async def test_no_search_reads_much_more_than_its_share(connection: asyncpg.Connection, store: Any, order: Any) -> None:
    """Whatever the filters, with and without a scope that has many orders: counted in rows that the plans touch."""
    noon = order().created_date
    await store(
        *(order(f"o{n:05}", created_date=noon + timedelta(seconds=n), flagged=n % 4 == 0) for n in range(20_000))
    )
    await connection.execute("vacuum analyze orders")
    rows = 500
    for (scope, value), (name, wanted) in itertools.product(
        [*HEAVY.items(), ("flagged", True), (None, None)], MATCHLESS.items()
    ):
        given: dict[str, Any] = {name: wanted} if scope is None else {scope: value, name: wanted}
        criteria = Criteria(**given)
        statement = edge_statement(criteria, None, rows)
        if statement is None:
            assert scope == "user_id", given
            continue
        record = await connection.fetchrow(statement[0], *statement[1])
        assert record is not None
        edge = Position(*record)
        text, arguments = page_statement(criteria, None, 51, edge)
        for query, values in (statement, (text, arguments)):
            lines = [row[0] for row in await connection.fetch(f"explain (analyze) {query}", *values)]
            removed = sum(int(line.split()[-1]) for line in lines if "Rows Removed by" in line)
            assert removed <= rows + CHEAP, (given, "\n".join(lines))
