"""Who may ask: keys and roles, over HTTP."""

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from order_api.auth.dependencies import Reviewer
from order_api.auth.keys import create_key, list_keys, revoke_key

pytestmark = pytest.mark.integration


@pytest.fixture
async def stranger(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client without a key."""
    del client.headers["Authorization"]
    return client


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer nonsense", f"Bearer ow_{'0' * 12}_{'a' * 64}", "é"],
)
async def test_requests_without_a_valid_key_are_challenged(
    stranger: httpx.AsyncClient, authorization: str | None
) -> None:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    for path in ("/v1/orders", "/v1/orders/a", "/v1/flags", "/v1/stats", "/v1/orders?limit=nonsense"):
        response = await stranger.get(path, headers=headers)
        assert response.status_code == 401
        assert response.json()["code"] == "not-authenticated"
        assert response.headers["www-authenticate"].startswith('Bearer realm="orderwatch"')


@pytest.mark.parametrize("credential_seconds", [0.0])
async def test_a_key_works_until_it_is_revoked(stranger: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    key_id, key = await create_key(connection, "test", "read")
    headers = {"Authorization": f"bearer {key}"}
    assert (await stranger.get("/v1/orders", headers=headers)).status_code == 200
    assert await revoke_key(connection, key_id)
    response = await stranger.get("/v1/orders", headers=headers)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert not await revoke_key(connection, key_id)


@pytest.mark.parametrize("credential_seconds", [0.0])
async def test_the_last_use_is_noted_to_the_minute(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    [unused] = await list_keys(connection)
    assert unused.last_used_at is None
    await client.get("/v1/orders")
    [used] = await list_keys(connection)
    assert used.last_used_at is not None
    await client.get("/v1/orders")
    assert await list_keys(connection) == [used]  # a minute has not passed
    await connection.execute("update api_keys set last_used_at = last_used_at - interval '61 seconds'")
    await client.get("/v1/orders")
    [again] = await list_keys(connection)
    assert again.last_used_at is not None
    assert again.last_used_at > used.last_used_at


async def test_a_key_works_while_the_database_takes_no_writes(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set default_transaction_read_only = on")
    assert (await client.get("/v1/orders")).status_code == 200


async def test_roles(app: FastAPI, client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    @app.get("/review")
    async def review(caller: Reviewer) -> str:
        return caller.key_id

    response = await client.get("/review")
    assert response.status_code == 403
    assert response.json()["code"] == "not-permitted"
    assert response.json()["detail"] == "this needs a key of role review; yours has role read"
    for role in ("review", "admin"):
        key_id, key = await create_key(connection, role, role)
        response = await client.get("/review", headers={"Authorization": f"Bearer {key}"})
        assert (response.status_code, response.json()) == (200, key_id)


async def test_only_the_hash_of_a_key_is_stored(connection: asyncpg.Connection) -> None:
    key_id, key = await create_key(connection, "test", "admin")
    assert key.startswith(f"ow_{key_id}_")
    stored = str(await connection.fetch("select * from api_keys"))
    assert key_id in stored
    assert key.removeprefix(f"ow_{key_id}_") not in stored
    [entry] = await list_keys(connection)
    assert (entry.key_id, entry.name, entry.role, entry.revoked_at) == (key_id, "test", "admin", None)


@pytest.mark.parametrize(
    ("name", "role"), [("a", "owner"), ("a", ""), ("", "read"), ("x" * 101, "read"), ("\0", "read")]
)
async def test_keys_that_cannot_be(connection: asyncpg.Connection, name: str, role: str) -> None:
    with pytest.raises(ValueError, match=r"role|name"):
        await create_key(connection, name, role)
