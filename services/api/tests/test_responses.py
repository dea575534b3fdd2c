"""What answers have in common: ETags, compression, who may keep them, pages of other origins."""

import gzip
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

IDENTITY = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("path", ["/v1/orders/o", "/v1/users/user-1"])
async def test_an_answer_that_is_known_is_not_repeated(
    client: httpx.AsyncClient, store: Any, order: Any, path: str
) -> None:
    await store(order("o"))
    first = await client.get(path, headers=IDENTITY)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "Accept-Encoding"
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await client.get(path, headers={**IDENTITY, "If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["vary"] == "Accept-Encoding"
        assert again.headers["x-request-id"]
    for unknown in ('"other"', "", tag[1:-1], tag[:-1]):
        assert (await client.get(path, headers={**IDENTITY, "If-None-Match": unknown})).content == first.content


async def test_tags_name_contents(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(order("a"), order("b"))
    tags = {(await client.get(f"/v1/orders/{order_id}")).headers["etag"] for order_id in ("a", "b")}
    assert len(tags) == 2
    before = (await client.get("/v1/users/user-1")).headers["etag"]
    await store(order("c"))
    assert (await client.get("/v1/users/user-1", headers={"If-None-Match": before})).json()["orders"] == 3


async def test_a_compressed_answer_has_a_tag_of_its_own(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(order("o", attributes='{"notes": "%s"}' % ("x" * 100_000)))  # so large that a thread compresses it
    plain = await client.get("/v1/orders/o", headers=IDENTITY)
    packed = await client.get("/v1/orders/o", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 5_000
    assert packed.content == plain.content
    assert packed.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
    for tag in (packed.headers["etag"], plain.headers["etag"]):
        for encoding, known in (("gzip", packed), ("identity", plain)):
            headers = {"If-None-Match": tag, "Accept-Encoding": encoding}
            again = await client.get("/v1/orders/o", headers=headers)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == known.headers["etag"]  # what this client would get
            assert again.headers["vary"] == known.headers["vary"] == "Accept-Encoding"
            assert again.headers["cache-control"] == known.headers["cache-control"]


ENCODINGS = [
    ("gzip", True),
    ("br;q=1.0, gzip;q=0.5", True),
    ("GZIP", True),
    ("*", True),
    ("*;q=0, gzip", True),
    ("gzip;q=0", False),
    ("gzip;q=0.0, *", False),
    ("identity", False),
    ("xgzip", False),
    ("", False),
]


async def test_gzip_only_when_accepted(client: httpx.AsyncClient) -> None:
    for accepted, compressed in ENCODINGS:
        async with client.stream("GET", "/openapi.json", headers={"Accept-Encoding": accepted}) as response:
            assert (response.headers.get("content-encoding") == "gzip") is compressed, accepted
            raw = b"".join([chunk async for chunk in response.aiter_raw()])
        assert len(raw) == int(response.headers["content-length"])
        assert (gzip.decompress(raw) if compressed else raw).startswith(b'{"openapi"')


async def test_small_answers_stay_as_they_are(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers


async def test_the_rest_is_not_cached(client: httpx.AsyncClient) -> None:
    for path in ("/v1/orders", "/v1/stats", "/v1/orders/nope", "/v1/nope", "/v1/session"):
        response = await client.get(path)
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


async def test_pages_of_named_origins_may_ask(serve: Any) -> None:
    async with serve(api_cors_origins="https://review.example, http://localhost:3000") as client:
        for origin in ("https://review.example", "http://localhost:3000"):
            preflight = await client.options("/v1/orders", headers={"Origin": origin, **PREFLIGHT})
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == origin
            assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
            assert preflight.headers["x-request-id"]
            response = await client.get("/v1/orders", headers={"Origin": origin})
            assert response.headers["access-control-allow-origin"] == origin
            assert response.headers["access-control-allow-credentials"] == "true"
            assert "RateLimit" in response.headers["access-control-expose-headers"]
            problem = await client.get("/v1/orders?limit=0", headers={"Origin": origin})
            assert problem.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origins", ["", "https://review.example"])
async def test_pages_of_other_origins_may_not(serve: Any, origins: str) -> None:
    async with serve(api_cors_origins=origins) as client:
        for origin in ("https://evil.example", "https://review.example.evil.example", "null"):
            preflight = await client.options("/v1/orders", headers={"Origin": origin, **PREFLIGHT})
            assert (preflight.status_code, preflight.json()["code"]) == (400, "preflight-refused")
            response = await client.get("/v1/orders", headers={"Origin": origin})
            for answer in (preflight, response):
                assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_preflight_for_more_than_is_taken_is_a_problem(serve: Any) -> None:
    async with serve(api_cors_origins="https://review.example") as client:
        for asked in ({"Access-Control-Request-Method": "TRACE"}, {"Access-Control-Request-Headers": "x-other"}):
            headers = {"Origin": "https://review.example", **PREFLIGHT, **asked}
            preflight = await client.options("/v1/orders", headers=headers)
            assert (preflight.status_code, preflight.json()["code"]) == (400, "preflight-refused")
            assert preflight.headers["content-type"] == "application/problem+json"


GETS = [
    "/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/problems", "/problems/not-ready", "/nope",
    "/docs/assets/swagger-ui.css", "/v1/orders", "/v1/orders/o", "/v1/orders/nope", "/v1/flags", "/v1/users/user-1",
    "/v1/stats?to=2026-01-01", "/v1/marts", "/v1/marts/nope", "/v1/session", "/v1/orders?limit=0", "/v1/dead-letters",
]  # fmt: skip
OF_THE_MOMENT = {"date", "x-request-id", "ratelimit", "ratelimit-policy", "content-length", "etag"}


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_head_is_get_without_a_body(
    client: httpx.AsyncClient, store: Any, order: Any, path: str, encoding: str
) -> None:
    await store(order("o"))
    got = await client.get(path, headers={"Accept-Encoding": encoding})
    head = await client.head(path, headers={"Accept-Encoding": encoding})
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers.keys() == got.headers.keys()
    for name in head.headers.keys() - OF_THE_MOMENT:
        assert head.headers[name] == got.headers[name], name
    if path not in {"/metrics", "/v1/stats?to=2026-01-01"} and got.status_code == 200:  # these tell the time
        assert head.headers["content-length"] == got.headers["content-length"]


async def test_head_honours_if_none_match(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(order("o"))
    tag = (await client.head("/v1/orders/o")).headers["etag"]
    assert (await client.head("/v1/orders/o", headers={"If-None-Match": tag})).status_code == 304


async def test_head_is_for_what_can_be_read(client: httpx.AsyncClient) -> None:
    response = await client.head("/v1/dead-letters/redrive")
    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"


async def test_head_requests_are_counted_by_method(client: httpx.AsyncClient) -> None:
    await client.head("/healthz")
    metrics = (await client.get("/metrics")).text
    assert 'orderwatch_api_requests_total{method="HEAD",route="/healthz",status="200"} 1.0' in metrics


ALLOWED = [
    ("/healthz", "GET, HEAD, OPTIONS"),
    ("/v1/session", "DELETE, GET, HEAD, OPTIONS, POST"),
    ("/v1/dead-letters/redrive", "OPTIONS, POST"),
    ("/docs/assets/swagger-ui.css", "GET, HEAD, OPTIONS"),
]


@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
async def test_options_name_what_is_allowed(client: httpx.AsyncClient, path: str, allowed: str) -> None:
    response = await client.options(path)
    assert (response.status_code, response.content, response.headers["allow"]) == (204, b"", allowed)
    refused = await client.request("PATCH", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


async def test_options_of_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.options("/nope")).status_code == 404
