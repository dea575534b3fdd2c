"""Alive, ready, measured."""

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import httpx
import pytest


async def test_alive_without_anything(client_without_database: httpx.AsyncClient, lag: Any) -> None:
    lag.away = True
    response = await client_without_database.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_what_is_missing_is_named(client_without_database: httpx.AsyncClient, lag: Any) -> None:
    response = await client_without_database.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["kafka"] == "ok"
    assert response.json()["detail"].startswith("postgres: ")
    assert "retry-after" in response.headers


@pytest.mark.integration
async def test_readyz_reports_all_checks(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (
        200,
        {"status": "ok", "checks": {"postgres": "ok", "kafka": "ok"}},
    )


@pytest.mark.integration
async def test_not_ready_without_the_broker(client: httpx.AsyncClient, lag: Any) -> None:
    lag.away = True
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"] == {"postgres": "ok", "kafka": "Kafka cannot be asked (KafkaConnectionError)"}


async def test_metrics_have_no_ids_in_them(client_without_database: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/v1/orders/secret-order", "/secret-path", "/problems/secret-code"):
        await client_without_database.get(path)
    text = (await client_without_database.get("/metrics")).text
    assert 'orderwatch_api_requests_total{method="GET",route="/healthz",status="200"} 1.0' in text
    assert 'route="/v1/orders/{order_id}",status="401"' in text
    assert 'route="none",status="404"' in text
    assert "orderwatch_api_waiting_requests 0.0" in text
    assert "orderwatch_api_pool_connections 0.0" in text
    assert "secret" not in text


async def test_the_documentation_loads_nothing_from_elsewhere(client_without_database: httpx.AsyncClient) -> None:
    page = await client_without_database.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text.replace("http-equiv", "")
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        assert f"/docs/assets/{asset}" in page.text
        assert (await client_without_database.get(f"/docs/assets/{asset}")).status_code == 200


async def test_the_links_of_the_index_exist(client_without_database: httpx.AsyncClient) -> None:
    index = (await client_without_database.get("/")).json()
    assert index["name"] == "Orderwatch API"
    for path in (index["documentation"], index["openapi"], index["problems"]):
        assert (await client_without_database.get(path)).status_code == 200
    for path in (index["orders"], index["flags"], index["stats"]):
        assert (await client_without_database.get(path)).status_code == 401


async def test_the_page_for_keys_is_protected(client_without_database: httpx.AsyncClient) -> None:
    page = await client_without_database.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert page.headers["x-frame-options"] == "DENY"
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    inline = [script for attributes, script in scripts if "src=" not in attributes]
    assert inline
    for script in inline:  # else browsers would not run it
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy["script-src"]
    assert "unsafe" not in policy["script-src"]


async def test_the_document_is_written_once(
    client_without_database: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = await client_without_database.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    packed = await client_without_database.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert plain.json() == packed.json()
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    monkeypatch.setattr("order_api.docs.routes.gzip.compress", None)
    monkeypatch.setattr("order_api.docs.routes.orjson.dumps", None)
    for encoding in ("identity", "gzip"):
        again = await client_without_database.get("/openapi.json", headers={"Accept-Encoding": encoding})
        assert again.content == plain.content
