"""Every error is a problem document."""

from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from order_api.app import create_app
from order_api.http.problems.registry import problem_types
from order_api.settings import ApiSettings


def check(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in a response, after looking at what all have in common."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{code}"
    assert (body["code"], body["status"]) == (code, status)
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    return body


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/nope", "/v1/orders/", "/docs/assets/nope.js", "/%00"])
async def test_unknown_paths(client_without_database: httpx.AsyncClient, path: str) -> None:
    check(await client_without_database.get(path), 404, "not-found")


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders/a", "/v1/flags", "/v1/stats", "/healthz", "/docs", "/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
async def test_methods_that_are_not_there(client_without_database: httpx.AsyncClient, path: str, method: str) -> None:
    response = await client_without_database.request(method, path)
    check(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_files_are_read_only(client_without_database: httpx.AsyncClient) -> None:
    response = await client_without_database.post("/docs/assets/swagger-ui.css")
    check(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_bug_leaks_nothing(client_without_database: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("order_api.http.metrics.generate_latest", broken)
    with structlog.testing.capture_logs() as logs:
        response = await client_without_database.get("/metrics")
    body = check(response, 500, "internal-error")
    assert "secret" not in response.text
    [entry] = [each for each in logs if each["event"] == "request_failed"]
    assert (entry["route"], entry["request_id"]) == ("/metrics", body["request_id"])


async def test_the_database_is_unavailable(client_without_database: httpx.AsyncClient) -> None:
    key = f"ow_{'0' * 12}_{'a' * 64}"
    response = await client_without_database.get("/v1/orders", headers={"Authorization": f"Bearer {key}"})
    body = check(response, 503, "database-unavailable")
    assert response.headers["retry-after"] == "1"
    assert "stranger" not in str(body)  # the user in the database's address


async def test_every_problem_explains_itself(client_without_database: httpx.AsyncClient) -> None:
    listed = (await client_without_database.get("/problems")).json()
    assert {item["code"] for item in listed} == set(problem_types())
    for item in listed:
        page = (await client_without_database.get(f"/problems/{item['code']}")).json()
        assert page == item
        assert len(page["explanation"]) > 20
    check(await client_without_database.get("/problems/nope"), 404, "not-found")


@pytest.mark.parametrize("sent", ["abc-1.2_3", "x" * 64])
async def test_a_request_id_is_kept(client_without_database: httpx.AsyncClient, sent: str) -> None:
    assert (await client_without_database.get("/healthz", headers={"X-Request-ID": sent})).headers[
        "x-request-id"
    ] == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\tb", "é", "<script>", "a\r\nSet-Cookie: b"])
async def test_a_request_id_that_is_none_is_replaced(client_without_database: httpx.AsyncClient, sent: str) -> None:
    response = await client_without_database.get("/healthz", headers=[(b"x-request-id", sent.encode("latin-1"))])
    assert response.headers["x-request-id"] != sent
    assert len(response.headers["x-request-id"]) == 32
    assert "set-cookie" not in response.headers


async def test_routes_may_share_a_path() -> None:
    """`Allow` names the methods of all of them."""
    app = create_app(ApiSettings())

    @app.get("/shared")
    async def read() -> None: ...

    @app.post("/shared")
    async def write() -> None: ...

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as caller:
        response = await caller.delete("/shared")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_the_application_needs_nothing_to_be_made() -> None:
    assert isinstance(create_app(ApiSettings()), FastAPI)
