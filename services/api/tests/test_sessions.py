"""Sessions of browsers, over HTTP."""

from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.auth.keys import create_key, revoke_key
from order_api.auth.sessions import COOKIE, HOST_COOKIE
from order_api.sessions.service import SessionService

pytestmark = pytest.mark.integration


@pytest.fixture
def credential_seconds() -> float:
    """Keys and sessions are looked up each time."""
    return 0


def cookie_of(response: httpx.Response) -> Morsel[str]:
    """The session's cookie as the answer sets it."""
    (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
    return cookie


async def begin(client: httpx.AsyncClient) -> None:
    """Begin a session with the client's key; from then on it has the cookie alone."""
    assert (await client.post("/v1/session")).status_code == 201
    del client.headers["Authorization"]


async def test_a_key_becomes_a_cookie(serve: Any) -> None:
    async with serve("review") as client:
        response = await client.post("/v1/session")
        assert response.status_code == 201
        cookie = cookie_of(response)
        assert cookie["httponly"]
        assert cookie["samesite"] == "lax"
        assert cookie["path"] == "/"
        assert int(cookie["max-age"]) == 12 * 3600
        assert not cookie["secure"]  # this is plain HTTP
        begun = response.json()
        assert begun["role"] == "review"
        ends = datetime.fromisoformat(begun["expires_at"]) - datetime.now(UTC)
        assert timedelta(hours=11) < ends <= timedelta(hours=12)
        assert (await client.get("/v1/session")).json() == {**begun, "expires_at": None}  # the key is used
        del client.headers["Authorization"]
        assert (await client.get("/v1/session")).json() == begun
        for path in ("/v1/orders", "/v1/flags", "/v1/stats"):
            assert (await client.get(path)).status_code == 200


async def test_bodies_that_are_no_key(serve: Any) -> None:
    async with serve(None) as client:
        for body in ({}, {"key": 1}, {"key": "k" * 201}, {"key": "k", "more": 1}, "ow_"):
            assert (await client.post("/v1/session", json=body)).status_code == 422
        response = await client.post("/v1/session", content=b"\xff", headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["errors"][0]["in"]) == (422, "body")
        null = await client.post("/v1/session", content=b" null", headers={"Content-Type": "application/json"})
        assert (null.status_code, null.json()["errors"][0]["value"]) == (422, "null")
        assert (await client.post("/v1/session")).status_code == 401


async def test_the_key_may_be_in_the_body(serve: Any, connection: asyncpg.Connection) -> None:
    _, key = await create_key(connection, "browser", "read")
    async with serve(None) as client:
        assert (await client.post("/v1/session", json={"key": key})).status_code == 201
        assert (await client.get("/v1/session")).json()["role"] == "read"
    async with serve(None) as client:
        assert (await client.post("/v1/session", json={"key": f"ow_{'0' * 12}_{'a' * 64}"})).status_code == 401
        assert (await client.post("/v1/session")).status_code == 401
        assert not client.cookies


async def test_a_session_ends_when_told_to(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve() as client:
        await begin(client)
        token = client.cookies[COOKIE]
        response = await client.delete("/v1/session")
        assert (response.status_code, response.content) == (204, b"")
        assert cookie_of(response)["max-age"] == "0"
        assert not client.cookies
        response = await client.get("/v1/session", headers={"Cookie": f"{COOKIE}={token}"})
        assert response.status_code == 401
        assert "the session has ended" in response.json()["detail"]
        assert response.headers["www-authenticate"]
    assert await connection.fetchval("select count(*) from api_sessions") == 0


async def test_a_new_session_replaces_the_one_whose_cookie_comes_along(
    serve: Any, connection: asyncpg.Connection
) -> None:
    async with serve() as client:
        key = client.headers["Authorization"]
        await begin(client)
        old = client.cookies[COOKIE]
        client.headers["Authorization"] = key
        await begin(client)
        assert client.cookies[COOKIE] != old
        assert await connection.fetchval("select count(*) from api_sessions") == 1
        client.cookies.clear()
        assert (await client.get("/v1/session", headers={"Cookie": f"{COOKIE}={old}"})).status_code == 401


async def test_a_key_has_so_many_sessions(serve: Any, connection: asyncpg.Connection, service_of: Any) -> None:
    async with serve() as client, serve() as other:
        service_of(client, SessionService).max_sessions = 3
        await begin(other)
        tokens = []
        for _ in range(5):
            tokens.append((await client.post("/v1/session")).cookies[COOKIE])
            client.cookies.clear()
        del client.headers["Authorization"]
        answers = [
            (await client.get("/v1/session", headers={"Cookie": f"{COOKIE}={token}"})).status_code for token in tokens
        ]
        assert answers == [401, 401, 200, 200, 200]
        assert (await other.get("/v1/session")).status_code == 200
    assert await connection.fetchval("select count(*) from api_sessions") == 4


async def test_a_session_ends_with_its_key_at_the_latest(serve: Any, connection: asyncpg.Connection) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    _, key = await create_key(connection, "visitor", "read", expires_at=soon)
    async with serve(None) as client:
        begun = (await client.post("/v1/session", json={"key": key})).json()
        assert datetime.fromisoformat(begun["expires_at"]) == soon


async def test_a_key_has_no_session_to_end(client: httpx.AsyncClient) -> None:
    response = await client.delete("/v1/session")
    assert (response.status_code, response.json()["code"]) == (404, "no-session")


async def test_a_session_ends_with_its_key(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve() as client:
        await begin(client)
        key_id = (await client.get("/v1/session")).json()["key_id"]
        assert await revoke_key(connection, key_id)
        assert (await client.get("/v1/orders")).status_code == 401


async def test_a_session_ends_by_itself_and_is_cleared_away(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve() as client:
        await begin(client)
        await connection.execute("update api_sessions set expires_at = now()")
        assert (await client.get("/v1/orders")).status_code == 401
        assert await connection.fetchval("select count(*) from api_sessions") == 1
    async with serve() as client:
        await begin(client)
        assert await connection.fetchval("select count(*) from api_sessions") == 1


async def test_only_the_hash_of_a_token_is_stored(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve() as client:
        await begin(client)
        stored = str(await connection.fetch("select * from api_sessions"))
        assert client.cookies[COOKIE].removeprefix("ows_") not in stored


async def test_cookies_that_are_none(serve: Any) -> None:
    async with serve(None) as client:
        for token in ("", "nonsense", "ows_", "ows_" + "a" * 64, '"', "a; b=c", "ow_" + "a" * 64):
            response = await client.get("/v1/orders", headers={"Cookie": f"{COOKIE}={token}"})
            assert response.status_code == 401


CHANGES: list[tuple[dict[str, str], bool]] = [
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "http://other.api", "Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "http://api.evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": "http://["}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({}, True),  # no browser
    ({"Origin": "http://api", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "http://api"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Origin": "https://trusted.example", "Sec-Fetch-Site": "cross-site"}, True),
]


async def test_other_pages_change_nothing(serve: Any) -> None:
    async with serve(api_cors_origins="https://trusted.example") as client:
        key = client.headers["Authorization"]
        for headers, permitted in CHANGES:
            client.headers["Authorization"] = key
            await begin(client)
            assert (await client.get("/v1/orders", headers=headers)).status_code == 200  # reading changes nothing
            response = await client.delete("/v1/session", headers=headers)
            assert response.status_code == (204 if permitted else 403), headers
            if not permitted:
                assert response.json()["code"] == "cross-origin"
                assert (await client.get("/v1/session")).status_code == 200


async def test_other_pages_begin_no_session(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/session", headers={"Origin": "https://evil.example"})
    assert (response.status_code, response.json()["code"]) == (403, "cross-origin")


@pytest.mark.parametrize(
    ("setting", "scheme", "secure"),
    [("auto", "https", True), ("auto", "http", False), ("always", "http", True), ("never", "https", False)],
)
async def test_over_https_the_cookie_is_for_https_only(serve: Any, setting: str, scheme: str, secure: bool) -> None:
    async with serve(api_secure_cookies=setting) as client:
        response = await client.post(f"{scheme}://api/v1/session")
        cookie = cookie_of(response)
        assert bool(cookie["secure"]) is secure
        assert cookie.key == (HOST_COOKIE if secure else COOKIE)
        client.cookies.clear()
        headers = {"Cookie": f"{cookie.key}={cookie.value}", "Authorization": ""}
        assert (await client.get("/v1/session", headers=headers)).status_code == 200
        # Another cookie of the same name was planted; one without the prefix may have been.
        planted = {**headers, "Cookie": f"{COOKIE}=ows_{'a' * 64}; {headers['Cookie']}"}
        assert (await client.get("/v1/session", headers=planted)).status_code == (200 if secure else 401)
