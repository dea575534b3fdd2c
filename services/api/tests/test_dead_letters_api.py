"""`/v1/dead-letters`, on the real broker and database, with a detector that decides what is redriven."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pydantic import SecretStr

from order_api.app import create_app
from order_api.auth.keys import create_key
from order_api.settings import ApiSettings
from order_platform.settings import KafkaSettings
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.waiting import until

PATH = "/v1/dead-letters"


def line(order_id: str = "o1", **changes: Any) -> bytes:
    return json.dumps(plain_order(order_id, **changes)).encode()


@pytest.fixture
def settings(kafka_settings: KafkaSettings, database_url: str) -> ApiSettings:
    own = {name: getattr(kafka_settings, name) for name in KafkaSettings.model_fields}
    return ApiSettings(database_url=SecretStr(database_url), **own)


@pytest.fixture
async def caller(settings: ApiSettings, connection: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator."""
    _, key = await create_key(connection, "operations", "admin")
    app: FastAPI = create_app(settings)
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def detector(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[DetectorProcess]:
    with DetectorProcess(kafka_settings, database_url, tmp_path / "detector.log") as detector:
        yield detector


async def publish(settings: KafkaSettings, *values: bytes) -> list[str]:
    """Publish messages; returns their origins once they are decided."""
    origins = []
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for value in values:
            sent = await producer.send_and_wait(settings.orders_topic, value, b"\xfe", 2, headers=[("trace", b"1")])
            origins.append(f"{settings.orders_topic}/{sent.partition}/{sent.offset}")
    await until_consumed(settings, "the detector to decide it")
    return origins


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    body: dict[str, Any] = answer.json()
    return body


async def state(caller: httpx.AsyncClient, origin: str) -> str:
    answer = (await caller.get(f"{PATH}/{origin}")).raise_for_status().json()
    assert isinstance(answer["state"], str)
    return answer["state"]


@pytest.mark.integration
@pytest.mark.usefixtures("detector")
async def test_from_refused_to_stored(caller: httpx.AsyncClient, settings: ApiSettings) -> None:
    (origin,) = await publish(settings, line(country="XX"))
    (item,) = (await caller.get(PATH)).raise_for_status().json()["items"]
    assert (item["origin"], item["state"], item["error_type"], item["redrives"]) == (origin, "open", "bad-value", 0)
    shown = (await caller.get(f"{PATH}/{origin}")).raise_for_status().json()
    assert item.items() <= shown.items()
    assert shown["advice"]
    assert shown["message"] == {
        "topic": settings.orders_topic,
        "key": {"text": None, "base64": "/g=="},
        "headers": [{"name": "trace", "text": "1", "base64": None}],
        "body": {"text": json.dumps(plain_order(country="XX")), "base64": None},
    }
    problem = refused(
        await caller.post(f"{PATH}/{origin}/redrive", json={"body": plain_order(country="YY")}),
        409,
        "correction-refused",
    )
    assert problem["detail"] == 'country must be an ISO 3166 alpha-2 code, got "YY"'
    answer = await caller.post(f"{PATH}/{origin}/redrive", json={"body": plain_order(country="SG")})
    assert answer.status_code == 202
    await until(lambda: _is(caller, origin, "stored"), "the order to be stored")
    (redrive,) = (await caller.get(f"{PATH}/{origin}")).json()["redriven"]
    assert redrive["published_as"] == answer.json()["published_as"]
    assert redrive["corrected"] is True
    assert redrive["redriven_by"].startswith("operations (")
    assert (await caller.get("/v1/orders/o1")).json()["country"] == "SG"
    problem = refused(await caller.post(f"{PATH}/{origin}/redrive"), 409, "already-redriven")
    assert "stored now" in problem["detail"]


@pytest.mark.integration
@pytest.mark.usefixtures("detector")
async def test_bytes_can_be_given_in_three_ways(caller: httpx.AsyncClient, settings: ApiSettings) -> None:
    origins = await publish(settings, b"{", b"[", b'"')
    text = json.dumps(plain_order("o2"), indent=2)
    bodies = [
        {"body": plain_order("o1")},
        {"body": text},
        {"body": base64.b64encode(line("o3")).decode(), "encoding": "base64"},
    ]
    for origin, body in zip(origins, bodies, strict=True):
        assert (await caller.post(f"{PATH}/{origin}/redrive", json=body)).status_code == 202
        await until(lambda origin=origin: _is(caller, origin, "stored"), "the order to be stored")  # type: ignore[misc]


@pytest.mark.integration
@pytest.mark.usefixtures("detector")
async def test_many_of_a_type(caller: httpx.AsyncClient, settings: ApiSettings) -> None:
    origins = await publish(settings, *[line(f"o{n}", country="XX") for n in range(5)], b"{")
    answer = await caller.post(f"{PATH}/redrive", json={"error_type": "bad-value", "limit": 3})
    assert answer.status_code == 202
    assert [item["origin"] for item in answer.json()["redriven"]] == origins[:3]
    assert (answer.json()["not_redriven"], answer.json()["more"]) == ([], True)
    for origin in origins[:3]:
        await until(lambda origin=origin: _is(caller, origin, "dead-letter"), "it to be refused again")  # type: ignore[misc]
    assert await state(caller, origins[3]) == await state(caller, origins[5]) == "open"

    pages, url = [], f"{PATH}?limit=4&error_type=bad-value"
    while url:
        page = (await caller.get(url)).raise_for_status()
        pages.append([item["origin"] for item in page.json()["items"]])
        url = page.links.get("next", {}).get("url", "")
    assert [len(page) for page in pages] == [4, 4]
    listed = [origin for page in pages for origin in page]
    assert len(set(listed)) == 8
    assert listed[-5:] == origins[4::-1]
    answer = await caller.get(PATH, params={"limit": 4, "cursor": page.request.url.params["cursor"]})
    refused(answer, 404, "cursor-unknown")


@pytest.mark.integration
@pytest.mark.usefixtures("detector")
async def test_a_conflict_is_redriven_only_with_again(caller: httpx.AsyncClient, settings: ApiSettings) -> None:
    _, origin = await publish(settings, line(), line(quantity=2))
    problem = refused(await caller.post(f"{PATH}/{origin}/redrive"), 409, "conflict-stands")
    assert "Different: quantity" in problem["detail"]
    answer = await caller.post(f"{PATH}/redrive", json={"error_type": "conflict"})
    assert [item["origin"] for item in answer.json()["not_redriven"]] == [origin]
    assert (await caller.post(f"{PATH}/{origin}/redrive", json={"again": True})).status_code == 202
    await until(lambda: _is(caller, origin, "conflict"), "it to be a conflict again")


async def _is(caller: httpx.AsyncClient, origin: str, wanted: str) -> bool:
    return await state(caller, origin) == wanted


@pytest.fixture
async def recorded(connection: asyncpg.Connection) -> str:
    """A recorded dead letter whose topics do not exist."""
    await connection.execute(
        "insert into stream_outcomes values ('orders', 1, 7, 'dead-letter', 'o1', 'not-json', 'not JSON', now())"
    )
    return "orders/1/7"


@pytest.mark.integration
async def test_only_administrators(client: httpx.AsyncClient, recorded: str) -> None:
    for answer in (
        await client.get(PATH),
        await client.get(f"{PATH}/{recorded}"),
        await client.post(f"{PATH}/{recorded}/redrive"),
        await client.post(f"{PATH}/redrive", json={"error_type": "not-json"}),
    ):
        refused(answer, 403, "not-permitted")


@pytest.mark.integration
async def test_what_is_not_there(caller: httpx.AsyncClient) -> None:
    for path in ("orders/0/1", "nothing/999999999/999999999999999999"):
        problem = refused(await caller.get(f"{PATH}/{path}"), 404, "dead-letter-unknown")
        assert path in problem["detail"]
        refused(await caller.post(f"{PATH}/{path}/redrive"), 404, "dead-letter-unknown")
    for path in ("orders/x/1", "orders/0/-1", "or ders/0/1", "orders/0/1000000000000000000"):
        refused(await caller.get(f"{PATH}/{path}"), 422, "invalid-request")
    problem = refused(await caller.get(PATH, params={"error_type": "bad", "state": "lost"}), 422, "invalid-request")
    assert {error["field"] for error in problem["errors"]} == {"error_type", "state"}


@pytest.mark.integration
async def test_bytes_that_are_gone(caller: httpx.AsyncClient, recorded: str) -> None:
    assert (await caller.get(f"{PATH}/{recorded}")).json()["message"] is None
    refused(await caller.post(f"{PATH}/{recorded}/redrive"), 410, "dead-letter-gone")


@pytest.mark.integration
@pytest.mark.parametrize(
    "body", [{"body": "ÿ", "encoding": "base64"}, {"body": "\ud800"}, {"body": {"amount": 10**30}}, {"body": "[]"}]
)
async def test_invalid_corrections_are_refused(caller: httpx.AsyncClient, recorded: str, body: dict[str, Any]) -> None:
    answer = await caller.post(
        f"{PATH}/{recorded}/redrive", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    refused(answer, 409, "correction-refused")


@pytest.mark.integration
async def test_the_broker_is_unavailable(connection: asyncpg.Connection, database_url: str, recorded: str) -> None:
    _, key = await create_key(connection, "operations", "admin")
    app = create_app(ApiSettings(database_url=SecretStr(database_url), kafka="127.0.0.1:1"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api", headers={"Authorization": f"Bearer {key}"}
        ) as caller,
    ):
        details = (await caller.get(f"{PATH}/{recorded}")).raise_for_status().json()
        assert (details["origin"], details["message"]) == (recorded, None)
        assert "Kafka" in details["message_problem"]
        refused(await caller.post(f"{PATH}/{recorded}/redrive"), 503, "broker-unavailable")
        assert len((await caller.get(PATH)).json()["items"]) == 1
