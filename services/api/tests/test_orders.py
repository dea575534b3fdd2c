"""One order, over HTTP and a real database."""

import asyncio
import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from order_api.kit.database import Databases
from order_api.orders.long_poll import OrderLongPoll
from order_api.orders.schemas import Order
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def test_all_about_an_order(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(order("o", flagged=True, attributes='{"channel": "app", "scores": [1.50, 1e3]}'))
    response = await client.get("/v1/orders/o")
    assert response.status_code == 200
    # What is stored as JSON comes to the byte.
    assert '"attributes":{"channel": "app", "scores": [1.50, 1e3]}' in response.text
    body = response.json()
    Order.model_validate(body, strict=False)
    assert set(body) == set(Order.model_fields)
    assert body["created_date"] == "2026-11-22T05:00:00Z"
    assert body["decided_at"] == "2026-11-22T05:00:00.012000Z"
    assert (body["status"], body["outcome"], body["flagged"], body["risk_score"]) == ("fraud", "decline", True, 90)
    assert body["hits"][0]["reason"] == "Too large."
    assert (body["amount"], body["currency"]) == (100_000, "IDR")
    assert body["source"] == {
        "topic": "orders",
        "epoch": 1,
        "partition": 2,
        "offset": 17,
        "appended_at": "2026-11-22T05:00:00.002000Z",
    }


@pytest.mark.parametrize(
    "order_id",
    ["INV/2026/11/22/0001", "a b", "ü€😀", "a%2Fb", "?", "#", "..x", "a\nb", "'; drop table orders", "/", "+"],
)
async def test_any_id_can_be_asked_for(client: httpx.AsyncClient, store: Any, order: Any, order_id: str) -> None:

    await store(order(order_id))
    response = await client.get(f"/v1/orders/{quote(order_id, safe='')}")
    assert response.json()["order_id"] == order_id


async def test_an_order_that_is_not_there(client: httpx.AsyncClient, lag: Any) -> None:
    response = await client.get("/v1/orders/nope")
    assert response.status_code == 404
    assert response.headers["retry-after"] == "1"
    body = response.json()
    assert (body["code"], body["lag"]) == ("order-unknown-or-undecided", 3)
    assert body["type"].rpartition("/")[2] == "order-unknown-or-undecided"
    lag.away = True

    async def is_without_lag() -> bool:
        return (await client.get("/v1/orders/nope")).json()["lag"] is None

    await until(is_without_lag, "the outage to be seen")


async def dead_letter(connection: asyncpg.Connection, order_id: str, offset: int, error: str) -> None:
    await connection.execute(
        "insert into stream_outcomes values ('orders', 1, $2, 'dead-letter', $1, 'missing-field', $3, now())",
        order_id,
        offset,
        error,
    )


@pytest.mark.parametrize("wait", ["", "?wait=5s"])
async def test_a_dead_letter(client: httpx.AsyncClient, connection: asyncpg.Connection, wait: str) -> None:
    await dead_letter(connection, "bad", 7, "country is missing")
    await dead_letter(connection, "bad", 8, "amount is missing")
    response = await client.get(f"/v1/orders/bad{wait}")
    assert response.status_code == 404
    body = response.json()
    assert (body["code"], body["error_type"], body["error"]) == (
        "order-dead-lettered",
        "missing-field",
        "amount is missing",
    )
    assert body["source"] == {"topic": "orders", "epoch": 1, "partition": 1, "offset": 8}
    assert "retry-after" not in response.headers


async def test_the_dead_letter_of_a_label_is_none_of_the_order(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "insert into stream_outcomes values ('labels', 1, 7, 'dead-letter', 'o', 'missing-field', 'no label', now())"
    )
    assert (await client.get("/v1/orders/o")).json()["code"] == "order-unknown-or-undecided"
    assert (await client.get("/v1/stats")).json()["stream"]["dead_letters"] == 0


async def test_a_corrected_order_counts(
    client: httpx.AsyncClient, connection: asyncpg.Connection, store: Any, order: Any
) -> None:
    await dead_letter(connection, "o", 7, "amount is missing")
    await store(order("o"))
    assert (await client.get("/v1/orders/o")).status_code == 200
    assert (await client.get("/v1/orders/o?wait=1s")).status_code == 200


async def test_waiting_for_an_order(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    asked = asyncio.create_task(client.get("/v1/orders/o?wait=30s"))
    await asyncio.sleep(0.1)
    assert not asked.done()
    await store(order("o"))
    response = await asyncio.wait_for(asked, 15)
    assert response.json()["order_id"] == "o"


async def test_waiting_has_an_end(client: httpx.AsyncClient) -> None:
    started = time.perf_counter()
    response = await client.get("/v1/orders/nope?wait=200ms")
    assert response.json()["code"] == "order-unknown-or-undecided"
    assert time.perf_counter() - started >= 0.2


async def test_many_requests_wait_at_once(client: httpx.AsyncClient, app: FastAPI, store: Any, order: Any) -> None:
    asked = [asyncio.create_task(client.get(f"/v1/orders/o{number}?wait=20s")) for number in range(500)]
    await until(lambda: app.state.services.get(OrderLongPoll).count == 500, "500 requests to wait")
    assert app.state.services.get(Databases).connections[0] <= 2
    await store(*(order(f"o{number}", source_offset=number) for number in range(500)))
    assert {response.status_code for response in await asyncio.gather(*asked)} == {200}


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("wait=soon", "wait", "soon"),
        ("wait=31s", "wait", "31s"),
        ("wait=", "wait", ""),
        ("wiat=5s", "wiat", "5s"),
        ("wait=1s&wait=2s", "wait", '["1s","2s"]'),
    ],
)
async def test_bad_parameters_are_named(client: httpx.AsyncClient, query: str, field: str, value: str) -> None:
    response = await client.get(f"/v1/orders/o?{query}")
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert (error["in"], error["field"], error["value"]) == ("query", field, value)
    assert field in response.json()["detail"]
    assert repr(value) in response.json()["detail"]


@pytest.mark.parametrize("path", ["%00", "a%00b", "x" * 65])
async def test_ids_that_no_order_has(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(f"/v1/orders/{path}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "order_id"


async def test_bytes_that_are_no_text(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/orders/%ff%fe")).status_code == 404


async def test_lists_do_without_attributes(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(
        order("o", attributes='{"large": "' + "x" * 10_000 + '"}', decided_at=order().decided_at + timedelta(1))
    )
    [item] = (await client.get("/v1/orders")).json()["items"]
    assert set(item) == set(Order.model_fields) - {"attributes"}
