"""The API while Postgres fails and recovers."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from order_api.app import create_app
from order_api.auth.keys import create_key
from order_api.http.problems.availability import DatabaseUnavailable, QueryTooSlow
from order_api.kit.database import RequestKind, open_database
from order_api.settings import ApiSettings
from order_platform.postgres.migrations import upgrade

pytestmark = pytest.mark.integration


async def test_kill_and_return(private_postgres: Any, lag: Any) -> None:
    """Nothing but 503 during the outage, and no restart of the API after it."""
    url = private_postgres.url("postgres")
    await upgrade(url)
    connection = await asyncpg.connect(url)
    _, key = await create_key(connection, "test", "read")
    await connection.close()
    app = create_app(ApiSettings(database_url=SecretStr(url)), lag.open)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", headers=headers) as client,
    ):
        assert (await client.get("/v1/orders")).status_code == 200
        private_postgres.kill()
        for path in ("/v1/orders", "/v1/flags", "/v1/stats", "/readyz"):
            assert (await client.get(path)).status_code == 503, path
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/orders/o?wait=1s")).json()["code"] == "database-unavailable"
        private_postgres.start()
        await asyncio.to_thread(private_postgres.wait_ready)
        assert (await client.get("/v1/orders")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_a_database_that_is_not_migrated(postgres: str) -> None:
    async with open_database(postgres) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.fetch("select from orders")


async def test_a_slow_question_is_given_up(database_url: str) -> None:
    async with open_database(database_url, RequestKind("impatient", 1, 0.1)) as database:
        with pytest.raises(QueryTooSlow):
            await database.fetch("select pg_sleep(5)")


async def test_our_own_mistakes_are_no_outage(database_url: str) -> None:
    async with open_database(database_url) as database:
        for mistake in ("select nonsense(", "select 1 / 0"):
            with pytest.raises(asyncpg.PostgresError):
                await database.fetch(mistake)
        with pytest.raises(asyncpg.DataError):
            await database.fetch("select $1::bigint", 2**64)
