"""What clients without a key can cause: little, and the response says so."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from order_api.app import MAX_BODY_BYTES
from order_api.http.problems.requests import MAX_DETAIL, MAX_ERRORS

JSON = {"Content-Type": "application/json"}
SECRET = "ow_0123456789ab_" + "0a" * 32
# Twenty errors with their parts cut, and a detail.
MOST_BYTES = 20_000


def many_members(count: int) -> bytes:
    return json.dumps({f"member{number}": number for number in range(count)}).encode()


POSTS = ["/v1/dead-letters/redrive", "/v1/dead-letters/orders/0/1/redrive"]
BODIES = [b"{bad", b"", b"[" * 60_000, many_members(4_000), b"x" * (MAX_BODY_BYTES + 1), b"\xff", b'{"error_type": 1}']


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_a_body_is_not_looked_at_before_the_key(
    client_without_database: httpx.AsyncClient, path: str, body: bytes
) -> None:
    for headers in ({}, JSON, {"Authorization": "Bearer nonsense"}):
        response = await client_without_database.post(path, content=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "not-authenticated")


async def test_a_body_is_not_read_before_the_key(client_without_database: httpx.AsyncClient) -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            is_read.append(True)
            yield b"{}"

    is_read: list[bool] = []
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        response = await client_without_database.post(POSTS[0], content=Body(), headers={**JSON, **headers})
        assert response.status_code == 401
    response = await client_without_database.post(
        "/v1/session", content=Body(), headers={**JSON, "Authorization": "Bearer nonsense"}
    )
    assert response.status_code == 401
    assert not is_read


@pytest.mark.integration
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_a_body_is_not_looked_at_before_the_role(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    response = await client.post(path, content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (403, "not-permitted")


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/flags", "/v1/marts/a", "/v1/dead-letters", "/v1/decisions/stream"])
async def test_parameters_are_not_looked_at_before_the_key(
    client_without_database: httpx.AsyncClient, path: str
) -> None:
    assert (await client_without_database.get(f"{path}?limit=x&from=y&nope=z")).status_code == 401


TOO_MUCH = [
    (many_members(6_000)[:60_000] + b'"}', "not JSON: cannot be read at character"),
    (many_members(3_000), "has 3,000 members; at most 64 are taken"),
    (json.dumps({"key": ["x"] * 10_000}).encode(), "holds more than 1,000 values"),
    (b"[" * 30_000, "is nested more than"),
    (b"[" * 30_000 + b"]" * 30_000, "is nested more than"),
    (b'{"key": ' + b"[" * 200 + b"]" * 200 + b"}", "is nested more than 100 levels deep"),
    (b"{bad", "not JSON: cannot be read at character 2"),
    (b'{"key":\n 1,}', "not JSON: cannot be read at character"),
    (b'{"key": NaN}', "not JSON: NaN is not a JSON value"),
    (b'{"key": -Infinity}', "not JSON: -Infinity is not a JSON value"),
    (b'{"key": 1e999}', "holds a number that is too large"),
    (b'{"key": ' + b"9" * 60_000 + b"}", "holds a number of more than 100 digits"),
    (b'\xef\xbb\xbf{"key": "a"}', "not JSON: begins with a byte order mark"),
    (b'{"key": "\xff"}', "not JSON: byte 10 is not UTF-8"),
    (b"", None),
]


@pytest.mark.parametrize(("body", "message"), TOO_MUCH, ids=range(len(TOO_MUCH)))
async def test_bodies_that_are_too_much(
    client_without_database: httpx.AsyncClient, body: bytes, message: str | None
) -> None:
    response = await client_without_database.post("/v1/session", content=body, headers=JSON)
    if message is None:
        assert response.status_code == 401
        return
    assert response.status_code == 422, response.text
    [error] = response.json()["errors"]
    assert error["message"].startswith(message)
    assert (error["in"], error["field"], error["value"]) == ("body", None, None)
    assert len(response.content) < 1_000


async def test_the_first_faults_are_named(client_without_database: httpx.AsyncClient) -> None:
    body = {f"member{number}" + "\x00" * 150: "\x00" for number in range(60)}
    response = await client_without_database.post("/v1/session", json=body)
    assert response.status_code == 422
    problem = response.json()
    assert len(problem["errors"]) == MAX_ERRORS
    assert problem["detail"].endswith("; and 41 more")  # the key is missing, too
    assert len(problem["detail"]) < MAX_DETAIL + 20
    assert len(response.content) < 2 * MOST_BYTES


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders/o", "/v1/stats", "/v1/decisions/stream"])
async def test_errors_of_query_parameters_are_bounded(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path + "?" + "&".join(f"p{number}=\N{SNOWMAN}" for number in range(50)))
    problem = response.json()
    assert (response.status_code, len(problem["errors"])) == (422, MAX_ERRORS)
    assert problem["detail"].endswith("; and 30 more")
    assert len(response.content) < MOST_BYTES


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders/o", "/v1/stats", "/v1/marts/a", "/v1/decisions/stream"])
async def test_query_parameters_are_bounded(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path + "?" + "&".join(f"p{number}=1" for number in range(3_000)))
    [error] = response.json()["errors"]
    assert error["message"] == "has 3,000 parameters; at most 100 are taken"
    assert len(response.content) < MOST_BYTES


TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "json",
]


@pytest.mark.parametrize("media_type", [*TYPES, "application/json; charset=utf-16", None])
async def test_other_media_types(client_without_database: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    response = await client_without_database.post(
        "/v1/session", content=b'{"key": "%b"}' % SECRET.encode(), headers=headers
    )
    assert (response.status_code, response.json()["code"]) == (415, "unsupported-media-type")
    assert response.headers["accept"] == "application/json"
    assert SECRET[:12] not in response.text


async def test_compressed_bodies_are_not_taken(client_without_database: httpx.AsyncClient) -> None:
    response = await client_without_database.post(
        "/v1/session", content=b"x", headers={**JSON, "Content-Encoding": "gzip"}
    )
    assert response.status_code == 415


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=UTF-8", "application/a+json"])
async def test_media_types_of_json(client_without_database: httpx.AsyncClient, media_type: str) -> None:
    response = await client_without_database.post(
        "/v1/session", content=b'{"key": 1}', headers={"Content-Type": media_type}
    )
    assert response.status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"api_key": SECRET},
        {"key": SECRET, "more": SECRET},
        {"key": SECRET, SECRET: 1},
        {"key": [SECRET]},
        {"key": {"a": SECRET}},
        {"key": SECRET * 3},
        {"password": "hunter2-hunter2"},
        {"key": "hunter2-hunter2" * 20},
        [SECRET],
        SECRET,
        SECRET.upper(),
        f"x{SECRET}"[1:] + "x",
        f"Bearer {SECRET}",
        "Bearer hunter2-hunter2",
        {"Authorization": f"Bearer {SECRET}"},
    ],
    ids=str,
)
async def test_secrets_are_not_given_back(client_without_database: httpx.AsyncClient, body: Any) -> None:
    response = await client_without_database.post("/v1/session", json=body)
    assert response.status_code == 422
    assert SECRET[10:30] not in response.text.lower()
    assert "hunter2" not in response.text


@pytest.mark.integration
@pytest.mark.parametrize("where", ["key", "token", "limit", "user_id2", SECRET, "rule"])
async def test_secrets_in_parameters_are_not_given_back(client: httpx.AsyncClient, where: str) -> None:
    response = await client.get("/v1/orders", params={where: SECRET, "outcome": SECRET, "from": f"Bearer {SECRET}"})
    assert response.status_code == 422
    assert SECRET[10:30] not in response.text
    response = await client.get("/v1/decisions/stream", headers={"Last-Event-ID": SECRET})
    assert response.status_code == 422
    assert SECRET[10:30] not in response.text


async def statuses(client: httpx.AsyncClient, count: int, method: str, path: str, **arguments: Any) -> list[int]:
    return [(await client.request(method, path, **arguments)).status_code for _ in range(count)]


REQUESTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/v1/orders", {}, 401),
    ("GET", "/v1/orders", {"headers": {"Authorization": "Bearer nonsense"}}, 401),
    ("GET", "/v1/orders", {"headers": {"Cookie": "orderwatch_session=nonsense"}}, 401),
    ("GET", "/nope", {}, 404),
    ("GET", "/nope", {"headers": {"Authorization": f"Bearer {SECRET}"}}, 404),
    ("PUT", "/", {}, 405),
    ("GET", "/", {}, 200),
    ("HEAD", "/problems", {}, 200),
    ("POST", "/v1/session", {}, 401),
    ("POST", "/v1/session", {"json": {"a": 1}}, 422),
]


@pytest.mark.integration
@pytest.mark.parametrize(("method", "path", "arguments", "status"), REQUESTS)
async def test_an_address_without_a_key_is_limited(
    serve: Any, method: str, path: str, arguments: dict[str, Any], status: int
) -> None:
    async with serve(api_keyless_limit="3/hour") as client:
        assert (await client.get("/v1/orders")).status_code == 200
        key = client.headers.pop("Authorization")
        assert await statuses(client, 5, method, path, **arguments) == [status, status, status, status, 429]
        refused = await client.request("GET", path)
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-without-key")
        assert 1 <= int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["connection"] == "close"
        for probe in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(probe)).status_code == 200
        # A key that was valid recently continues to work; its owner may be behind the same address.
        assert (await client.get("/v1/orders", headers={"Authorization": key})).status_code == 200


async def test_large_requests_and_responses_count_more(serve: Any) -> None:
    async with serve(None, api_keyless_limit="150/hour") as client:
        assert await statuses(client, 4, "POST", "/v1/session", content=b" " * 60_000, headers=JSON) == [
            422, 422, 422, 429,
        ]  # fmt: skip
    async with serve(None, api_keyless_limit="100/hour") as client:
        assert await statuses(client, 3, "GET", "/docs/assets/swagger-ui-bundle.js") == [200, 200, 429]


@pytest.mark.integration
async def test_addresses_and_times_are_apart(serve: Any, app_of: Any) -> None:
    async with serve(None, api_keyless_limit="2/second") as client:
        refused = await ask_until_refused(client)
        transport = httpx.ASGITransport(app_of(client), client=("10.1.2.3", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as other:
            assert (await other.get("/")).status_code == 200
        await asyncio.sleep(int(refused.headers["retry-after"]) + 0.1)
        assert (await client.get("/")).status_code == 200


async def ask_until_refused(client: httpx.AsyncClient) -> httpx.Response:
    """Send requests until one is too many for a second: on a busy machine that may take more than a few."""
    for _ in range(1_000):
        response = await client.get("/")
        if response.status_code == 429:
            return response
    pytest.fail("no request was refused")


@pytest.mark.integration
async def test_what_a_key_asks_is_not_counted_for_its_address(serve: Any) -> None:
    async with serve(api_keyless_limit="3/hour") as client:
        assert await statuses(client, 8, "GET", "/v1/orders") == [200] * 8
        assert await statuses(client, 8, "GET", "/v1/orders?limit=0") == [422] * 8
        assert await statuses(client, 8, "POST", POSTS[0]) == [403] * 8
