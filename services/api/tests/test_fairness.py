"""One client among others: costly requests of one key leave look-ups and health alone, and end with their client."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.auth.keys import create_key
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.databases import Databases
from tests.support.fixtures import own_database
from tests.support.waiting import until

pytestmark = pytest.mark.integration

HOSTILE = 300
# Loose, as machines are busy: before each kind had connections of its own this took as long as all costly requests.
SECONDS = 20.0

RUNNING = "select count(*) from pg_stat_activity where application_name = any($1) and state = 'active'"
COSTLY = ["order-api listings", "order-api statistics"]


@pytest.fixture(scope="module")
def database_url(databases: Databases) -> Iterator[str]:
    """One database for the tests of this module: its keys and orders have names of their own."""
    with own_database(databases) as url:
        yield url


@pytest.fixture(scope="module")
def api(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """The API as a process of its own; the broker is not needed."""
    log = tmp_path_factory.mktemp("api") / "api.log"
    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), database_url, log) as process:
        yield process


@asynccontextmanager
async def locked(database_url: str, table: str) -> AsyncIterator[None]:
    """Statements on a table wait."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(f"lock table {table} in access exclusive mode")
            yield
    finally:
        await connection.close()


def send(api: ApiProcess, path: str, key: str) -> socket.socket:
    """The connection of a request whose client has left."""
    connection = socket.create_connection(("127.0.0.1", api.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    return connection


async def until_running(connection: asyncpg.Connection, low: int, high: int) -> None:
    """Until between `low` and `high` costly statements are running."""
    async with asyncio.timeout(60):
        while True:
            if low <= await connection.fetchval(RUNNING, COSTLY) <= high:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("table", "path"), [("published_marts", "/v1/marts"), ("stream_outcomes", "/v1/stats?from=2026-11-0{i}")]
)
async def test_costly_requests_of_one_key(
    api: ApiProcess,
    connection: asyncpg.Connection,
    database_url: str,
    store: Any,
    order: Any,
    *,
    table: str,
    path: str,
) -> None:
    """While 300 wait for the database, and after they have hung up."""
    hostile, other = [(await create_key(connection, name, "read"))[1] for name in ("hostile", "other")]
    await store(order(table))
    async with httpx.AsyncClient(
        base_url=api.url, headers={"Authorization": f"Bearer {other}"}, timeout=SECONDS, trust_env=False
    ) as client:

        async def others_are_served() -> None:
            for _ in range(10):
                assert (await client.get(f"/v1/orders/{table}")).status_code == 200
                assert (await client.get("/healthz")).status_code == 200
                assert "postgres: " not in (await client.get("/readyz")).json()["detail"]
                assert (await client.get("/v1/orders")).status_code == 200
                started = time.monotonic()
                assert (await client.get("/v1/stats" if table != "stream_outcomes" else "/v1/flags")).status_code == 200
                assert time.monotonic() - started < SECONDS

        await client.get("/readyz")  # the broker is asked for the first time
        async with locked(database_url, table):
            with contextlib.ExitStack() as hanging:
                for i in range(HOSTILE):
                    hanging.enter_context(send(api, path.format(i=i % 9 + 1), hostile))
                await until_running(connection, 1, 3)
                await others_are_served()
            # Their statements end although the lock still holds them.
            await until_running(connection, 0, 0)
            await others_are_served()
        # The connections of those that were cancelled are good for the next.
        for key in (hostile, other):
            for _ in range(5):
                response = await client.get(path.format(i=9), headers={"Authorization": f"Bearer {key}"})
                assert response.status_code == 200


async def test_a_key_that_asks_too_much_at_once_is_rejected(
    api: ApiProcess, connection: asyncpg.Connection, database_url: str
) -> None:
    _, key = await create_key(connection, "hostile", "read")
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(
            base_url=api.url, headers={"Authorization": f"Bearer {key}"}, timeout=20, limits=limits, trust_env=False
        ) as client,
        locked(database_url, "published_marts"),
    ):
        responses = await asyncio.gather(*(client.get("/v1/marts") for _ in range(100)))
    codes = {response.json()["code"] for response in responses}
    assert codes == {"too-many-at-once", "query-too-slow"}
    for response in responses:
        assert response.headers["retry-after"].isdecimal()
        assert response.status_code == (429 if response.json()["code"] == "too-many-at-once" else 503)


async def test_one_key_leaves_room_for_open_requests_of_others(
    connection: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    hostile, other = [(await create_key(connection, name, "read"))[1] for name in ("hostile", "other")]
    paths = ("/v1/orders/order-1?wait=20s", "/v1/decisions/stream")
    limit = {"ORDERWATCH_API_KEY_OPEN_REQUESTS": "2"}
    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), database_url, tmp_path / "api.log", **limit) as api:
        async with httpx.AsyncClient(base_url=api.url, timeout=20, trust_env=False) as client:
            with contextlib.ExitStack() as hanging:
                for path in paths:
                    hanging.enter_context(send(api, path, hostile))
                await until(lambda: count_open(client, 1), "both to be open")
                for path in paths:
                    response = await client.get(path, headers=bearer(hostile))
                    assert (response.status_code, response.json()["code"]) == (429, "too-many-at-once")
                async with client.stream("GET", paths[1], headers=bearer(other)) as stream:
                    assert stream.status_code == 200
                assert (await client.get("/v1/orders/order-1?wait=100ms", headers=bearer(other))).status_code == 404
            await until(lambda: count_open(client, 0), "both to be closed")
            assert (await client.get("/v1/orders/order-1?wait=1ms", headers=bearer(hostile))).status_code == 404


async def count_open(client: httpx.AsyncClient, wanted: int) -> bool:
    """Whether so many requests wait, and as many streams are open."""
    metrics = (await client.get("/metrics")).text
    return all(f"orderwatch_api_{name} {wanted}.0" in metrics for name in ("waiting_requests", "decision_streams"))


def bearer(key: str) -> dict[str, str]:
    """The header of a request with a key."""
    return {"Authorization": f"Bearer {key}"}
