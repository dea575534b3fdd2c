"""How much one client may ask, over HTTP."""

import re
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.auth.keys import create_key
from order_api.auth.rate_limits import SlidingWindow

pytestmark = pytest.mark.integration

WRONG = f"Bearer ow_{'0' * 12}_{'a' * 64}"


def remaining(response: httpx.Response) -> int:
    """What an answer says is left."""
    match = re.fullmatch(r'"key";r=([0-9]+);t=([0-9]+)', response.headers["ratelimit"])
    assert match is not None
    return int(match[1])


async def test_a_key_sees_what_is_left_until_nothing_is(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve(api_key_limit="3/hour") as client:
        for left in (2, 1, 0):
            response = await client.get("/v1/orders/nope")  # errors count, and say what is left, too
            assert response.status_code == 404
            assert response.headers["ratelimit-policy"] == '"key";q=3;w=3600'
            assert remaining(response) == left
        refused = await client.get("/v1/orders")
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 3600
        assert remaining(refused) == 0
        for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"):
            response = await client.get(path)
            assert response.status_code == 200
            assert "ratelimit" not in response.headers
        _, other = await create_key(connection, "other", "read")
        response = await client.get("/v1/orders", headers={"Authorization": f"Bearer {other}"})
        assert response.status_code == 200


def test_a_window_slides() -> None:
    """The limit holds for any window, not just from one full hour to the next; after a refusal waiting helps."""
    now = 1000.0
    window = SlidingWindow(10, 100, lambda: now)
    assert [window.hit("a").permitted for _ in range(11)] == [True] * 10 + [False]
    assert window.hit("b").remaining == 9
    now = 1100.0  # all of the window before is still in
    assert not window.hit("a").permitted
    now = 1150.0
    assert [window.hit("a").permitted for _ in range(6)] == [True] * 5 + [False]
    refused = window.hit("a")
    now += refused.reset
    assert window.hit("a").permitted
    now = 1400.0  # long after
    assert window.hit("a").remaining == 9


async def test_sessions_count_for_their_key(serve: Any) -> None:
    async with serve(api_key_limit="3/hour") as client:
        await client.post("/v1/session")
        del client.headers["Authorization"]
        assert [(await client.get("/v1/orders")).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("credential_seconds", [0.0])
async def test_keys_are_not_guessed_at_speed(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve(api_guess_limit="3/hour") as client:
        assert (await client.get("/v1/orders")).status_code == 200
        wrong = [await client.get("/v1/orders", headers={"Authorization": WRONG}) for _ in range(5)]
        assert [response.status_code for response in wrong] == [401, 401, 401, 429, 429]
        assert wrong[-1].json()["code"] == "too-many-guesses"
        assert int(wrong[-1].headers["retry-after"]) >= 1
        # A key that works continues to work; a new one has to wait.
        assert (await client.get("/v1/orders")).status_code == 200
        _, new = await create_key(connection, "new", "read")
        response = await client.get("/v1/orders", headers={"Authorization": f"Bearer {new}"})
        assert response.status_code == 429


async def test_invalid_sessions_count_as_guesses(serve: Any) -> None:
    async with serve(None, api_guess_limit="2/hour") as client:
        cookie = {"Cookie": f"orderwatch_session=ows_{'a' * 64}"}
        assert [(await client.get("/v1/orders", headers=cookie)).status_code for _ in range(3)] == [401, 401, 429]


async def test_requests_without_a_well_formed_key_are_not_guesses(serve: Any) -> None:
    async with serve(None, api_guess_limit="1/hour") as client:
        for _ in range(3):
            assert (await client.get("/v1/orders")).status_code == 401
            assert (await client.get("/v1/orders", headers={"Authorization": "Bearer nonsense"})).status_code == 401
