"""Listings: filters, pages, and what the database does for them."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_api.orders.filters import Criteria
from order_api.orders.repository import Position, page_statement
from order_contract.decision import OrderRow, Outcome

pytestmark = pytest.mark.integration


async def ids(client: httpx.AsyncClient, path: str, **parameters: object) -> list[str]:
    """The ids of one page."""
    response = await client.get(path, params={name.strip("_"): str(value) for name, value in parameters.items()})
    return [item["order_id"] for item in response.raise_for_status().json()["items"]]


async def test_filters(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    noon = order().created_date
    await store(
        order("plain", created_date=noon),
        order("flagged", created_date=noon + timedelta(hours=1), flagged=True, user_id="u"),
        order("review", created_date=noon + timedelta(hours=2), flagged=True, outcome="review", product_id="p"),
        order("abroad", created_date=noon + timedelta(hours=3), country="SG", payment_method="GoPay"),
        order("dollars", created_date=noon + timedelta(hours=4), currency="USD", amount=50, device_id="d"),
        order("shadow", created_date=noon + timedelta(hours=5), rule_ids=["shadow"], ip_address="2001:db8::1"),
    )
    everything = ["shadow", "dollars", "abroad", "review", "flagged", "plain"]
    assert await ids(client, "/v1/orders") == everything
    assert await ids(client, "/v1/flags") == ["review", "flagged"]
    for parameters, expected in (
        ({"user_id": "u"}, ["flagged"]),
        ({"product_id": "p"}, ["review"]),
        ({"rule": "shadow"}, ["shadow"]),
        ({"rule": "large-order"}, ["review", "flagged"]),
        ({"outcome": "decline"}, ["flagged"]),
        ({"outcome": "approve", "country": "sg"}, ["abroad"]),
        ({"status": "fraud"}, ["review", "flagged"]),
        ({"payment_method": "gopay"}, ["abroad"]),
        ({"payment_method": "unknown"}, []),
        ({"device_id": "d"}, ["dollars"]),
        ({"ip_address": "2001:DB8:0:0::1"}, ["shadow"]),
        ({"currency": "usd"}, ["dollars"]),
        ({"max_amount": 99_999}, []),
        ({"max_amount": 50, "currency": "USD"}, ["dollars"]),
        ({"min_amount": 100_000}, ["shadow", "abroad", "review", "flagged", "plain"]),
        ({"from": "2026-11-22T16:00:00", "to": "2026-11-22T16:00:00.000001"}, ["dollars"]),
        ({"from": "2026-11-22T14:00:00+07:00", "to": "2026-11-22T08:00:00Z"}, ["review"]),
        ({"from": "2026-11-23"}, []),
    ):
        assert await ids(client, "/v1/orders", **parameters) == expected, parameters
        assert await ids(client, "/v1/flags", limit=500) == ["review", "flagged"]
    assert await ids(client, "/v1/flags", outcome="review") == ["review"]


async def test_the_newest_label_is_a_filter(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Any, order: Any
) -> None:
    await store(*(order(f"o{number}", flagged=number == 2, user_id="u") for number in range(4)))
    await connection.execute(
        """
        insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at)
        select 'labels', 1, 0, number, order_id, label, 'bank', now(), now()
        from (values (1, 'o1', 'legitimate'), (2, 'o2', 'fraud'), (3, 'o1', 'fraud'), (4, 'o3', 'legitimate'))
            as labels (number, order_id, label)
        """
    )
    assert set(await ids(client, "/v1/orders", label="fraud")) == {"o1", "o2"}
    assert set(await ids(client, "/v1/orders", label="fraud", user_id="u")) == {"o1", "o2"}
    assert await ids(client, "/v1/orders", label="legitimate") == ["o3"]
    assert await ids(client, "/v1/orders", label="chargeback") == []
    assert await ids(client, "/v1/flags", label="fraud") == ["o2"]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/v1/orders", "limit=0", "limit"),
        ("/v1/orders", "limit=501", "limit"),
        ("/v1/orders", "limit=1e2", "limit"),
        ("/v1/orders", "usr_id=1", "usr_id"),
        ("/v1/orders", "user_id=%00", "user_id"),
        ("/v1/orders", "user_id=", "user_id"),
        ("/v1/orders", "user_id=a&user_id=b", "user_id"),
        ("/v1/orders", "min_amount=99999999999999999999999", "min_amount"),
        ("/v1/orders", "outcome=maybe", "outcome"),
        ("/v1/orders", "status=flagged", "status"),
        ("/v1/orders", "from=yesterday", "from"),
        ("/v1/orders", "cursor=!", "cursor"),
        ("/v1/flags", "outcome=approve", "outcome"),
        ("/v1/flags", "status=fraud", "status"),
        ("/v1/stats", "from=soon", "from"),
        ("/v1/stats", "limit=1", "limit"),
    ],
)
async def test_bad_parameters_are_named(client: httpx.AsyncClient, path: str, query: str, field: str) -> None:
    response = await client.get(f"{path}?{query}")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_cursor_of_other_filters_is_unknown(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(order("a"), order("b"), order("c", flagged=True), order("d", flagged=True))
    cursor = (await client.get("/v1/orders?limit=1")).json()["next"]
    for other in (
        f"/v1/flags?cursor={cursor}",
        f"/v1/orders?user_id=u&cursor={cursor}",
        f"/v1/orders?cursor={cursor}A",
    ):
        response = await client.get(other)
        assert (response.status_code, response.json()["code"]) == (404, "cursor-unknown")
    assert await ids(client, "/v1/orders", cursor=cursor, limit=10) == ["c", "b", "a"]


async def test_the_next_link_continues_the_list(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    user = 'a&b="\r\n>;ü'
    await store(*(order(f"o{number}", user_id=user) for number in range(3)))
    response = await client.get("/v1/orders", params={"user_id": user, "limit": 2})
    link = response.links["next"]["url"]
    assert urlsplit(link).path == "/v1/orders"
    following = await client.get(link)
    assert [item["order_id"] for item in following.json()["items"]] == ["o0"]
    assert following.json()["next"] is None
    assert "link" not in following.headers


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # Few distinct moments, so that many orders share one and the id decides.
    moments=st.lists(st.integers(0, 5), min_size=1, max_size=40),
    limit=st.integers(1, 7),
    inserted=st.lists(st.integers(0, 5), max_size=20),
)
async def test_every_order_comes_exactly_once_while_others_come_in(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    store: Any,
    order: Any,
    *,
    moments: list[int],
    limit: int,
    inserted: list[int],
) -> None:
    await connection.execute("truncate orders")

    def made(prefix: str, number: int, moment: int) -> OrderRow:
        row: OrderRow = order(f"{prefix}{number}", created_date=order().created_date + timedelta(microseconds=moment))
        return row

    await store(*(made("old", number, moment) for number, moment in enumerate(moments)))
    late = iter([made("new", number, moment) for number, moment in enumerate(inserted)])
    seen: list[tuple[datetime, str]] = []
    parameters: dict[str, str | int] = {"limit": limit}
    while True:
        page = (await client.get("/v1/orders", params=parameters)).raise_for_status().json()
        assert 0 < len(page["items"]) <= limit
        seen += [(datetime.fromisoformat(item["created_date"]), item["order_id"]) for item in page["items"]]
        if page["next"] is None:
            break
        parameters["cursor"] = page["next"]
        if (row := next(late, None)) is not None:
            await store(row)
    assert seen == sorted(set(seen), reverse=True)
    assert {order_id for _, order_id in seen} >= {f"old{number}" for number in range(len(moments))}


PLANS = [
    (Criteria(), "orders_by_time"),
    (Criteria(flagged=True), "orders_flagged"),
    (Criteria(outcome=Outcome.DECLINE), "orders_flagged"),
    (Criteria(user_id="user-7"), "orders_by_user"),
    (Criteria(flagged=True, rule="large-order"), "orders_flagged"),
]


async def test_pages_come_from_an_index(connection: asyncpg.Connection, store: Any, order: Any) -> None:
    noon = order().created_date
    rows = [
        order(
            f"o{number:05d}",
            created_date=noon + timedelta(seconds=number),
            user_id=f"user-{number % 500}",
            flagged=number % 20 == 0,
        )
        for number in range(20_000)
    ]
    await store(*rows)
    await connection.execute("analyze orders")
    for criteria, index in PLANS:
        for after in (None, Position(noon + timedelta(seconds=10_000), "o10000")):
            statement, arguments = page_statement(criteria, after, 51)
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain (analyze) {statement}", *arguments))
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan
            # The place where the page starts is found in the index, not by reading up to it.
            removed = [line for line in plan.splitlines() if "Rows Removed by Filter" in line]
            assert all(int(line.split()[-1]) < 200 for line in removed), plan


async def test_pages_are_read_side_by_side(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(*(order(f"o{number}") for number in range(100)))
    pages = await asyncio.gather(*(ids(client, "/v1/orders", limit=100) for _ in range(50)))
    assert all(page == pages[0] for page in pages)
