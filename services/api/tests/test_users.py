"""Users as their orders show them, over HTTP and a real database."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from order_api.orders.filters import Criteria
from order_api.orders.repository import page_statement
from order_api.users.repository import USER_GROUPS
from order_api.users.schemas import Standing, User
from order_api.users.service import classify_standing
from order_contract.decision import OrderRow

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("flagged", "standing"),
    [
        (0, Standing.GOOD),
        (1, Standing.WATCHLIST),
        (2, Standing.WATCHLIST),
        (3, Standing.BLACKLIST),
        (99, Standing.BLACKLIST),
    ],
)
def test_standing_follows_the_number_of_flagged_orders(flagged: int, standing: Standing) -> None:
    assert classify_standing(flagged) == standing


async def test_all_about_a_user(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    noon = order().created_date
    await store(
        *(order(f"o{hour}", created_date=noon + timedelta(hours=hour), device_id=None) for hour in range(12)),
        order("declined", created_date=noon + timedelta(hours=20), flagged=True, amount=7, payment_method="OVO"),
        order("reviewed", created_date=noon - timedelta(days=9), flagged=True, outcome="review", currency="USD"),
        order("another user's", user_id="user-2", flagged=True),
    )
    response = await client.get("/v1/users/user-1")
    body = response.json()
    User.model_validate(body, strict=False)
    assert (body["user_id"], body["standing"], body["orders"], body["flagged"]) == ("user-1", "watchlist", 14, 2)
    assert body["by_outcome"] == {"approve": 12, "review": 1, "decline": 1}
    assert body["amounts"] == [
        {"currency": "IDR", "total": 1_200_007, "flagged": 7},
        {"currency": "USD", "total": 100_000, "flagged": 100_000},
    ]
    assert body["first_order_at"] == "2026-11-13T05:00:00Z"
    assert body["last_order_at"] == "2026-11-23T01:00:00Z"
    assert body["habits"] == {
        "orders": 14,
        "payment_methods": [{"payment_method": "QRIS", "orders": 13}, {"payment_method": "OVO", "orders": 1}],
        "devices": [{"device_id": "device-1", "orders": 2}],
    }
    assert [item["order_id"] for item in body["latest_orders"]["items"]] == [
        "declined",
        *(f"o{hour}" for hour in range(11, 2, -1)),
    ]
    assert [item["order_id"] for item in body["latest_flags"]["items"]] == ["declined", "reviewed"]
    assert body["latest_flags"]["next"] is None


async def test_latest_orders_link_to_all_orders(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    user_id = "a/b?c=d&e#ü"
    noon = order().created_date
    await store(
        *(
            order(f"o{n:02}", user_id=user_id, flagged=n % 2 == 0, created_date=noon - timedelta(minutes=n))
            for n in range(30)
        )
    )
    user = (await client.get(f"/v1/users/{quote(user_id, safe='')}")).json()
    assert user["user_id"] == user_id
    for name, expected in (("latest_orders", 30), ("latest_flags", 15)):
        latest = user[name]
        first = (await client.get(f"{latest['url']}&limit=10")).json()
        assert first["items"] == latest["items"]
        rest = (await client.get(f"{latest['url']}&limit=100&cursor={latest['next']}")).json()
        assert rest["next"] is None
        ids = [item["order_id"] for item in latest["items"] + rest["items"]]
        assert len(ids) == expected
        assert ids == sorted(set(ids))


async def test_any_id_can_be_asked_for(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    ids = ["U/1", "a b", "ü€😀", "a%2Fb", "?", "#", "..x", "a\nb", "'; drop table orders; --", "/", "+"]
    await store(*(order(f"o{number}", user_id=user_id) for number, user_id in enumerate(ids)))
    for user_id in ids:
        response = await client.get(f"/v1/users/{quote(user_id, safe='')}")
        assert response.json()["user_id"] == user_id


async def test_a_user_without_orders(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/users/unknown")
    assert (response.status_code, response.json()["code"]) == (404, "user-unknown")
    assert (await client.get("/v1/users/%00")).status_code == 422
    assert (await client.get(f"/v1/users/{'x' * 65}")).status_code == 422


async def test_many_orders_are_added_up_out_of_the_index(
    store: Any, order: Any, connection: asyncpg.Connection
) -> None:
    """However many orders one user has, their rows are not touched: only what index orders_by_user holds."""
    genuine: OrderRow = order(user_id="heavy")
    fraud: OrderRow = order(user_id="test", flagged=True)
    await store(*((fraud if n % 10 else genuine)._replace(order_id=f"o{n}") for n in range(20_000)))
    await connection.execute("vacuum analyze orders")
    totals = await plan(connection, USER_GROUPS, "heavy")
    assert "Index Only Scan using orders_by_user" in totals
    statement, arguments = page_statement(Criteria(user_id="heavy", flagged=True), None, 11)
    flags = await plan(connection, statement, *arguments)
    assert "Index Only Scan using orders_by_user" in flags
    assert "Seq Scan" not in totals + flags


async def plan(connection: asyncpg.Connection, statement: str, *arguments: object) -> str:
    """What the database does for a statement."""
    return "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
