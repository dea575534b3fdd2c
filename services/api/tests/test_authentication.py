"""Who may ask: keys and roles, over HTTP."""

from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import Depends, FastAPI

from order_api import key_ring
from order_api.authentication import KeyOfRole
from order_api.key_ring import Principal
from order_api.keys import Role, create_key, list_keys, revoke_key

pytestmark = pytest.mark.integration


@pytest.fixture
async def stranger(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A caller without a key."""
    del client.headers["Authorization"]
    return client


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer nonsense", f"Bearer ow_{'0' * 12}_{'a' * 64}", "é"],
)
async def test_strangers_are_challenged(stranger: httpx.AsyncClient, authorization: str | None) -> None:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    for path in ("/v1/orders", "/v1/orders/a", "/v1/flags", "/v1/stats", "/v1/orders?limit=nonsense"):
        response = await stranger.get(path, headers=headers)
        assert response.status_code == 401
        assert response.json()["code"] == "not-authenticated"
        assert response.headers["www-authenticate"].startswith('Bearer realm="orderwatch"')


async def test_a_key_works_until_it_is_revoked(
    stranger: httpx.AsyncClient, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "REMEMBERED_SECONDS", 0)
    key_id, key = await create_key(connection, "somebody", "read")
    headers = {"Authorization": f"bearer {key}"}
    assert (await stranger.get("/v1/orders", headers=headers)).status_code == 200
    assert await revoke_key(connection, key_id)
    response = await stranger.get("/v1/orders", headers=headers)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert not await revoke_key(connection, key_id)


async def test_roles(app: FastAPI, client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    @app.get("/review")
    async def review(caller: Annotated[Principal, Depends(KeyOfRole(Role.REVIEW))]) -> str:
        return caller.key_id

    response = await client.get("/review")
    assert response.status_code == 403
    assert response.json()["code"] == "not-permitted"
    for role in ("review", "admin"):
        key_id, key = await create_key(connection, role, role)
        response = await client.get("/review", headers={"Authorization": f"Bearer {key}"})
        assert (response.status_code, response.json()) == (200, key_id)


async def test_only_the_hash_of_a_key_is_stored(connection: asyncpg.Connection) -> None:
    key_id, key = await create_key(connection, "somebody", "admin")
    assert key.startswith(f"ow_{key_id}_")
    stored = str(await connection.fetch("select * from api_keys"))
    assert key_id in stored
    assert key.removeprefix(f"ow_{key_id}_") not in stored
    [entry] = await list_keys(connection)
    assert (entry.key_id, entry.name, entry.role, entry.revoked_at) == (key_id, "somebody", "admin", None)


@pytest.mark.parametrize(
    ("name", "role"), [("a", "owner"), ("a", ""), ("", "read"), ("x" * 101, "read"), ("\0", "read")]
)
async def test_keys_that_cannot_be(connection: asyncpg.Connection, name: str, role: str) -> None:
    with pytest.raises(ValueError, match=r"role|name"):
        await create_key(connection, name, role)
