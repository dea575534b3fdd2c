"""What callers send stays what it is: never SQL, never a header, never a line in the log. Over a served API."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from order_api.auth.keys import create_key
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess

pytestmark = pytest.mark.integration

SQL = [
    "'; drop table orders; --",
    "' or '1'='1",
    "1; select pg_sleep(30)",
    "$1",
    "\\'; --",
    "x' union select key_hash::text from api_keys --",
    "%' or true --",
    "orders\u2019",
]
LINES = ["a\r\nSet-Cookie: owned=1", "a\nX-Owned: 1", "a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "a\u2028b", "\x1b[31m"]
TEXT_FILTERS = ["user_id", "product_id", "rule", "payment_method", "device_id"]
OTHER_FILTERS = ["outcome", "status", "country", "ip_address", "min_amount", "from", "limit", "cursor", "nonsense"]


async def test_nothing_gets_out_of_its_place(
    connection: asyncpg.Connection, database_url: str, store: Any, order: Any, *, tmp_path: Path
) -> None:
    nasty = SQL + LINES
    await store(*(order(f"o{number}-{n}", user_id=text) for n, text in enumerate(nasty) for number in range(3)))
    _, key = await create_key(connection, "test", "read")
    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), database_url, tmp_path / "log") as api:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False, timeout=30) as client:
            for text in nasty:
                await _ask_for(client, text)
        assert api.terminate() == 0
    log = api.log.read_text()
    assert "Traceback" not in log
    assert "owned" not in log.lower()
    assert "drop table" not in log
    assert await connection.fetchval("select count(*) from orders") == 3 * len(nasty)


async def _ask_for(client: httpx.AsyncClient, text: str) -> None:
    for path in ("orders", "users"):
        response = await client.get(f"/v1/{path}/{quote(text, safe='')}")
        assert response.status_code == (200 if path == "users" else 404)
        _unharmed(response)
    for name in TEXT_FILTERS:
        response = await client.get("/v1/orders", params={name: text, "limit": "2"})
        assert response.status_code == 200
        items = response.json()["items"]
        assert [item["user_id"] for item in items] == ([text, text] if name == "user_id" else [])
        _unharmed(response)
        if name == "user_id":
            # The text is in the address of the next page, where it may not end the header.
            rest = (await client.get(response.links["next"]["url"])).json()
            assert [item["user_id"] for item in rest["items"]] == [text]
    for name in OTHER_FILTERS:
        response = await client.get("/v1/orders", params={name: text})
        assert response.status_code == 422
        assert response.json()["code"] == "invalid-request"
        _unharmed(response)
    for name in ("If-None-Match", "X-Request-ID", "Origin", "Accept-Encoding", "Cookie"):
        if text.isascii() and text.isprintable():
            response = await client.get("/v1/orders/nope", headers={name: text})
            assert response.status_code == 404
            _unharmed(response)


def _unharmed(response: httpx.Response) -> None:
    assert "set-cookie" not in response.headers
    assert "x-owned" not in response.headers
    assert len(response.headers["x-request-id"]) == 32
