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
    again = await client.get("/v1/orders/o", headers={"If-None-Match": packed.headers["etag"]})
    assert again.status_code == 304


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


async def test_only_who_accepts_gzip_gets_it(client: httpx.AsyncClient) -> None:
    for accepted, compressed in ENCODINGS:
        async with client.stream("GET", "/openapi.json", headers={"Accept-Encoding": accepted}) as response:
            assert (response.headers.get("content-encoding") == "gzip") is compressed, accepted
            raw = b"".join([chunk async for chunk in response.aiter_raw()])
        assert len(raw) == int(response.headers["content-length"])
        assert (gzip.decompress(raw) if compressed else raw).startswith(b'{"openapi"')


async def test_small_answers_stay_as_they_are(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers


async def test_nobody_keeps_the_rest(client: httpx.AsyncClient) -> None:
    for path in ("/v1/orders", "/v1/stats", "/v1/orders/nope", "/v1/nope", "/v1/session"):
        response = await client.get(path)
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


async def test_pages_of_named_origins_may_ask(serve: Any) -> None:
    async with serve(api_cors_origins="https://desk.example, http://localhost:3000") as client:
        for origin in ("https://desk.example", "http://localhost:3000"):
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


@pytest.mark.parametrize("origins", ["", "https://desk.example"])
async def test_pages_of_other_origins_may_not(serve: Any, origins: str) -> None:
    async with serve(api_cors_origins=origins) as client:
        for origin in ("https://evil.example", "https://desk.example.evil.example", "null"):
            preflight = await client.options("/v1/orders", headers={"Origin": origin, **PREFLIGHT})
            assert (preflight.status_code, preflight.json()["code"]) == (405, "method-not-allowed")
            response = await client.get("/v1/orders", headers={"Origin": origin})
            for answer in (preflight, response):
                assert not [name for name in answer.headers if name.startswith("access-control")]
