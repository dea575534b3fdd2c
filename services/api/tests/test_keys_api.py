"""Keys managed over the API: made, listed, revoked; expiry, scopes, and no key that can do more than its maker."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.auth.keys import Scope, create_key, parse_expiry
from order_api.key_management.schemas import CreatedKey, KeyList
from order_api.key_management.service import KeyService

pytestmark = pytest.mark.integration

PATHS = {
    Scope.ORDERS: ["/v1/orders", "/v1/flags"],
    Scope.USERS: ["/v1/users/user-1"],
    Scope.STATS: ["/v1/stats"],
    Scope.MARTS: ["/v1/marts"],
    Scope.DEAD_LETTERS: ["/v1/dead-letters"],
    Scope.KEYS: ["/v1/keys"],
    Scope.AUDIT: ["/v1/audit"],
    Scope.LISTS: ["/v1/lists"],
    Scope.RULESETS: ["/v1/rulesets/drafts"],
}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def later(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat()


async def test_the_life_of_a_key(serve: Any) -> None:
    async with serve("admin") as client:
        wanted = {"name": "dashboard", "role": "read", "scopes": ["stats", "orders"], "expires_at": later(days=1)}
        made = (await client.post("/v1/keys", json=wanted)).raise_for_status()
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        CreatedKey.model_validate(made.json(), strict=False)
        key, key_id = made.json()["key"], made.json()["key_id"]
        own = (await client.get("/v1/session", headers=bearer(key))).json()
        assert (own["key_id"], own["role"], own["scopes"]) == (key_id, "read", ["orders", "stats"])
        listed = (await client.get("/v1/keys")).raise_for_status()
        assert key not in listed.text
        KeyList.model_validate(listed.json(), strict=False)
        entry = next(item for item in listed.json()["items"] if item["key_id"] == key_id)
        assert (entry["name"], entry["valid"], entry["revoked_at"]) == ("dashboard", True, None)
        assert (await client.delete(f"/v1/keys/{key_id}")).status_code == 204
        assert (await client.get("/v1/session", headers=bearer(key))).status_code == 401
        again = await client.delete(f"/v1/keys/{key_id}")
        assert (again.status_code, again.json()["code"]) == (404, "key-unknown")
        entry = next(item for item in (await client.get("/v1/keys")).json()["items"] if item["key_id"] == key_id)
        assert (entry["valid"], entry["revoked_at"] is None) == (False, False)


@pytest.mark.parametrize("role", ["read", "review"])
async def test_keys_are_for_administrators(serve: Any, role: str) -> None:
    async with serve(role) as client:
        for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", f"/v1/keys/{'0' * 12}")):
            body = {"json": {"name": "a", "role": "read"}} if method == "POST" else {}
            response = await client.request(method, path, **body)
            assert (response.status_code, response.json()["code"]) == (403, "not-permitted")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\u001b[2J"}, "name"),
        ({"role": "root"}, "role"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"owner": "me"}, "owner"),
    ],
)
async def test_keys_that_cannot_be(serve: Any, change: dict[str, Any], field: str) -> None:
    async with serve("admin") as client:
        response = await client.post("/v1/keys", json={"name": "a", "role": "read", **change})
        assert response.status_code == 422
        assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("scope", PATHS)
async def test_scopes_open_their_part_alone(
    serve: Any, connection: asyncpg.Connection, store: Any, order: Any, scope: Scope
) -> None:
    await store(order("order-1"))
    _, key = await create_key(connection, "restricted", "admin", scopes=[scope])
    async with serve(None) as client:
        client.headers.update(bearer(key))
        for part, paths in PATHS.items():
            for path in paths:
                response = await client.get(path)
                assert response.status_code == (200 if part == scope else 403), path
                if part != scope:
                    assert f"scope {part}; yours has {scope}" in response.json()["detail"]
        assert (await client.get("/v1/session")).json()["scopes"] == [scope]


async def test_a_key_makes_none_that_can_do_more(serve: Any, connection: asyncpg.Connection) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    _, scoped = await create_key(connection, "scoped", "admin", scopes=[Scope.KEYS, Scope.STATS])
    _, expiring = await create_key(connection, "expiring", "admin", expires_at=soon)

    async with serve(None) as client:

        async def made_by(key: str, **wanted: Any) -> int:
            body = {"name": "a", "role": "admin", **wanted}
            return int((await client.post("/v1/keys", json=body, headers=bearer(key))).status_code)

        assert await made_by(scoped) == 403
        assert await made_by(scoped, scopes=["orders"]) == 403
        assert await made_by(scoped, scopes=["stats", "orders"]) == 403
        assert await made_by(scoped, scopes=["stats"]) == 201
        assert await made_by(expiring) == 403
        assert await made_by(expiring, expires_at=later(hours=2)) == 403
        assert await made_by(expiring, expires_at=later(minutes=30)) == 201
        # Nor does a session of it, which ends earlier.
        token = await client.post("/v1/session", headers=bearer(expiring))
        assert token.status_code == 201
        response = await client.post("/v1/keys", json={"name": "a", "role": "read"})
        assert response.status_code == 403


async def test_an_expired_key_is_refused_also_from_memory(serve: Any, connection: asyncpg.Connection) -> None:
    _, key = await create_key(connection, "short", "read", expires_at=datetime.now(UTC) + timedelta(seconds=1))
    async with serve(None) as client:
        assert (await client.get("/v1/session", headers=bearer(key))).status_code == 200
        await connection.execute("select pg_sleep(1.2)")  # less than what is remembered of a key without expiry
        response = await client.get("/v1/session", headers=bearer(key))
        assert response.status_code == 401
        assert "expired" in response.json()["detail"]


@pytest.mark.parametrize("text", ["", "soon", "90", "1y", "2027-13-01", "-3d", "9999999d"])
def test_expiries_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="write 90d"):
        parse_expiry(text, datetime.now(UTC))


def test_expiries() -> None:
    now = datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert parse_expiry("90d", now) == now + timedelta(days=90)
    assert parse_expiry("12h", now) == now + timedelta(hours=12)
    assert parse_expiry("2027-01-31", now) == datetime(2027, 1, 30, 17, tzinfo=UTC)  # business time
    assert parse_expiry("2027-01-31T12:00:00Z", now) == datetime(2027, 1, 31, 12, tzinfo=UTC)


async def test_the_list_is_bounded_and_shows_valid_keys_first(
    serve: Any, connection: asyncpg.Connection, service_of: Any
) -> None:
    async with serve("admin") as client:
        service_of(client, KeyService).most_listed = 3
        for number in range(4):
            key_id, _ = await create_key(connection, f"key {number}", "read")
            if number % 2:
                await connection.execute("update api_keys set revoked_at = now() where key_id = $1", key_id)
        items = (await client.get("/v1/keys")).json()["items"]
        assert [item["name"] for item in items] == ["key 2", "key 0", "test"]


async def test_other_pages_make_no_keys(serve: Any) -> None:
    async with serve("admin") as client:
        assert (await client.post("/v1/session")).status_code == 201
        del client.headers["Authorization"]
        evil = {"Origin": "https://evil.example"}
        response: httpx.Response = await client.post("/v1/keys", json={"name": "a", "role": "admin"}, headers=evil)
        assert (response.status_code, response.json()["code"]) == (403, "cross-origin")
