"""The end of a session or key is final at once, in this process and in others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.auth.keys import create_key, revoke_key
from order_api.auth.sessions import COOKIE
from tests.support.waiting import until

pytestmark = pytest.mark.integration

LISTENING = """
    select count(*) from pg_stat_activity
    where application_name = 'order-api news' and datname = current_database() and query ilike 'listen%credentials%'
"""
CACHE_SECONDS = 60.0


@pytest.fixture
def credential_seconds() -> float:
    """So long that the cache is not what ends a key, on a busy machine either."""
    return CACHE_SECONDS


@pytest.fixture
async def processes(serve: Any, connection: asyncpg.Connection) -> AsyncIterator[tuple[httpx.AsyncClient, ...]]:
    """Two API processes on one database, both notified of what ends."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(serve(api_guess_limit="100000/minute")) for _ in range(2)]
        for client in clients:
            assert (await client.get("/v1/session")).status_code == 200

        async def both_listen() -> bool:
            return int(await connection.fetchval(LISTENING)) == 2

        await until(both_listen, "both to listen")
        yield tuple(clients)


async def session_of(client: httpx.AsyncClient) -> dict[str, str]:
    """The header with the cookie of a new session."""
    response = await client.post("/v1/session")
    token = response.cookies[COOKIE]
    client.cookies.clear()
    return {"Cookie": f"{COOKIE}={token}", "Authorization": ""}


async def status(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get("/v1/session", headers=headers)).status_code


async def test_a_logout_is_final_whatever_asks_beside_it(processes: Any) -> None:
    client, _ = processes
    for _ in range(10):
        headers = await session_of(client)
        ended = asyncio.Event()

        async def ask_on(headers: dict[str, str] = headers, ended: asyncio.Event = ended) -> None:
            while not ended.is_set():
                await status(client, headers)
                await asyncio.sleep(0)  # a remembered session needs no look-up, so nothing else would run

        asking = [asyncio.create_task(ask_on()) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert (await client.delete("/v1/session", headers=headers)).status_code == 204
        answers = [await status(client, headers) for _ in range(5)]
        ended.set()
        await asyncio.gather(*asking)
        assert answers == [401] * 5
        assert await status(client, headers) == 401


async def test_other_processes_are_notified(processes: Any, connection: asyncpg.Connection) -> None:
    """Well within the time for which a key is cached."""
    here, there = processes
    headers = await session_of(here)
    assert await status(there, headers) == 200
    assert (await here.delete("/v1/session", headers=headers)).status_code == 204

    async def is_refused() -> bool:
        return await status(there, headers) == 401

    async with asyncio.timeout(CACHE_SECONDS / 2):
        await until(is_refused, "the other process to refuse the session")


@pytest.mark.parametrize("statement", ["revoke", "update api_keys set expires_at = now() where key_id = $1"])
async def test_a_key_that_ends_is_refused_with_its_sessions(
    processes: Any, connection: asyncpg.Connection, statement: str
) -> None:
    here, _ = processes
    key_id, key = await create_key(connection, "another", "read")
    with_key = {"Authorization": f"Bearer {key}"}
    token = (await here.post("/v1/session", headers=with_key)).cookies[COOKIE]
    here.cookies.clear()
    with_session = {"Cookie": f"{COOKIE}={token}", "Authorization": ""}
    for client in processes:
        assert [await status(client, headers) for headers in (with_key, with_session)] == [200, 200]
    if statement == "revoke":
        assert await revoke_key(connection, key_id)
    else:
        await connection.execute(statement, key_id)

    async def is_refused() -> bool:
        answers = [await status(client, headers) for client in processes for headers in (with_key, with_session)]
        return answers == [401] * 4

    async with asyncio.timeout(CACHE_SECONDS / 2):
        await until(is_refused, "both processes to refuse key and session")
