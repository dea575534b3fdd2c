"""Live decisions, from the real topic over real HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
import uvicorn
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse
from pydantic import SecretStr

from devstack.kafka import EmbeddedKafka
from order_api.app import create_app, release_clients
from order_api.auth.keys import create_key, revoke_key
from order_api.decisions.stream import DecisionStreams
from order_api.http.server import listen
from order_api.settings import ApiSettings
from order_contract.decision import OrderRow
from order_contract.decision_record import encode_decision
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.waiting import until

pytestmark = pytest.mark.integration
PATH = "/v1/decisions/stream"
PLACES = {"good": 1, "bad": 2, "other": 3}


class StreamHarness:
    """Publishes decisions, and listens to them."""

    def __init__(self, key: str, client: httpx.AsyncClient, settings: KafkaSettings, order: Any) -> None:
        self.key = key
        self.client = client
        self.topic = settings.decisions_topic
        self.producer = AIOKafkaProducer(**settings.client_options(), enable_idempotence=True)
        self._order = order

    async def publish(self, *order_ids: str, partition: int | None = None, **changes: Any) -> list[bytes]:
        """Decisions on orders with these ids, as the detector publishes them; in order, acknowledged."""
        values = []
        for order_id in order_ids:
            row: OrderRow = self._order(order_id, **changes)
            values.append(encode_decision(row))
            where = len(values) % 4 if partition is None else partition
            await self.producer.send(self.topic, values[-1], key=order_id.encode(), partition=where)
        await self.producer.flush()
        return values

    @asynccontextmanager
    async def listening(self, last_event_id: str | None = None, **query: str) -> AsyncIterator["Listener"]:
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        async with aconnect_sse(self.client, "GET", PATH, params=query, headers=headers) as source:
            assert source.response.status_code == 200, await source.response.aread()
            yield Listener(source)

    async def refused(self, last_event_id: str | None = None, **query: str) -> dict[str, Any]:
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        answer = await self.client.get(PATH, params=query, headers=headers)
        assert answer.headers["content-type"] == "application/problem+json"
        body: dict[str, Any] = answer.json()
        return body


class Listener:
    """One stream."""

    def __init__(self, source: EventSource) -> None:
        self._events = source.aiter_sse()
        self.last_id = ""

    async def next(self) -> ServerSentEvent:
        """The next event that a browser would see."""
        async with asyncio.timeout(30):
            async for event in self._events:
                self.last_id = event.id
                if event.data:
                    return event
        raise AssertionError("the stream ended")

    async def started(self) -> str:
        """Wait until it says where it stands."""
        async with asyncio.timeout(30):
            async for event in self._events:
                if event.id:
                    self.last_id = event.id
                    return event.id
        raise AssertionError("the stream ended")

    async def orders(self, count: int) -> list[str]:
        """The order ids of the next decisions."""
        found = []
        for _ in range(count):
            event = await self.next()
            assert event.event == "decision"
            found.append(orjson.loads(event.data)["order_id"])
        return found

    async def until_its_end(self) -> AsyncIterator[ServerSentEvent]:
        """All events that a browser would see."""
        async with asyncio.timeout(30):
            async for event in self._events:
                self.last_id = event.id
                if event.data:
                    yield event

    async def ended(self) -> None:
        """Wait for its end."""
        async for _ in self.until_its_end():
            pass


@asynccontextmanager
async def serving(
    settings: KafkaSettings, database_url: str, check_seconds: float | None = None, **more: Any
) -> AsyncIterator[str]:
    """The API over real HTTP, in this process: starting one of its own takes seconds. Gives its address."""
    own = {name: getattr(settings, name) for name in KafkaSettings.model_fields}
    app = create_app(
        ApiSettings(database_url=SecretStr(database_url), **own, **more), credential_seconds=check_seconds or 5.0
    )
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on"))
    with listen("127.0.0.1", 0) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started, "the API to serve")
        if check_seconds is not None:
            app.state.services.get(DecisionStreams).timing.check_seconds = check_seconds
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            release_clients(app)
            server.should_exit = True
            await running


@asynccontextmanager
async def harness_at(
    url: str, connection: asyncpg.Connection, settings: KafkaSettings, order: Any
) -> AsyncIterator[StreamHarness]:
    _, key = await create_key(connection, "test", "read")
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=1000)
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, timeout=30, limits=limits, trust_env=False) as client,
        (harness := StreamHarness(key, client, settings, order)).producer,
    ):
        yield harness


@pytest.fixture
async def harness(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any
) -> AsyncIterator[StreamHarness]:
    async with (
        serving(kafka_settings, database_url) as url,
        harness_at(url, connection, kafka_settings, order) as harness,
    ):
        yield harness


async def test_a_decision_arrives_to_the_byte(harness: StreamHarness) -> None:
    await harness.publish("before")
    async with harness.listening() as listener:
        await listener.started()
        (value,) = await harness.publish("a", flagged=True)
        event = await listener.next()
    assert (event.event, event.data.encode()) == ("decision", value)
    assert re.fullmatch(r"0:\d,1:\d,2:\d,3:\d", event.id)


async def test_from_the_beginning(harness: StreamHarness) -> None:
    ids = [f"o{number}" for number in range(300)]
    await harness.publish(*ids)
    async with harness.listening(**{"from": "beginning"}) as listener:
        assert sorted(await listener.orders(300)) == sorted(ids)
        await harness.publish("later")
        assert await listener.orders(1) == ["later"]


@pytest.mark.parametrize("by_header", [True, False])
async def test_it_resumes_after_any_event_without_gap_or_repeat(harness: StreamHarness, by_header: bool) -> None:
    ids = [f"o{number}" for number in range(40)]
    await harness.publish(*ids)
    places: list[str] = []
    async with harness.listening(**{"from": "beginning"}) as listener:
        first = []
        for _ in ids:
            first += await listener.orders(1)
            places.append(listener.last_id)
    for had in (1, 7, 39):
        resume: dict[str, Any] = {"last_event_id": places[had - 1]} if by_header else {"from": places[had - 1]}
        async with harness.listening(**resume) as listener:
            assert sorted(first[:had] + await listener.orders(40 - had)) == sorted(ids)


async def test_decisions_made_in_the_meantime_arrive_once(harness: StreamHarness) -> None:
    """While one reads the history, decisions are made: each arrives once."""
    await harness.publish(*[f"p{number}" for number in range(3000)])
    async with harness.listening(**{"from": "beginning"}) as listener:
        publishing = asyncio.create_task(harness.publish(*[f"q{number}" for number in range(500)]))
        got = await listener.orders(3500)
        await publishing
    assert len(set(got)) == 3500


async def test_filters(harness: StreamHarness) -> None:
    wanted: list[tuple[dict[str, str], list[str]]] = [
        ({"flagged": "true"}, ["bad"]),
        ({"flagged": "false"}, ["good", "other"]),
        ({"outcome": "decline"}, ["bad"]),
        ({"status": "genuine"}, ["good", "other"]),
        ({"user_id": "user-2"}, ["other"]),
        ({"rule": "large-order"}, ["bad"]),
        ({"min_risk_score": "90"}, ["bad"]),
        ({"min_risk_score": "0", "user_id": "user-1"}, ["good", "bad"]),
    ]
    async with AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(harness.listening(**query)) for query, _ in wanted]
        for listener in listeners:
            await listener.started()
        await harness.publish("good", partition=0)
        await harness.publish("bad", partition=0, flagged=True)
        await harness.publish("other", partition=0, user_id="user-2")
        for listener, (_, expected) in zip(listeners, wanted, strict=True):
            assert await listener.orders(len(expected)) == expected
            assert listener.last_id == f"0:{PLACES[expected[-1]]},1:0,2:0,3:0"


async def test_what_is_wrong_is_named(harness: StreamHarness) -> None:
    wrong = {
        "flagged": "maybe",
        "outcome": "reject",
        "status": "ok",
        "user_id": "",
        "rule": "x" * 65,
        "min_risk_score": "101",
        "from": "yesterday",
        "colour": "red",
    }
    problem = await harness.refused(**wrong)
    assert (problem["status"], problem["code"]) == (422, "invalid-request")
    assert {error["field"]: error["value"] for error in problem["errors"]} == wrong
    problem = await harness.refused(last_event_id="0:1,banana")
    assert [(error["in"], error["field"], error["value"]) for error in problem["errors"]] == [
        ("header", "Last-Event-ID", "0:1,banana")
    ]


async def test_who_asks_for_something_else_gets_none_of_it(harness: StreamHarness) -> None:
    answer = await harness.client.get(PATH, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


async def test_who_has_no_key_gets_nothing(harness: StreamHarness) -> None:
    answer = await harness.client.get(PATH, headers={"Authorization": ""})
    assert answer.status_code == 401


async def test_it_is_not_compressed_and_not_cached(harness: StreamHarness) -> None:
    async with harness.client.stream("GET", PATH, headers={"Accept-Encoding": "gzip", "Accept": "*/*"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


async def test_an_id_beyond_the_end_is_reset(harness: StreamHarness) -> None:
    await harness.publish("a", "b")
    async with harness.listening(last_event_id="0:9999,1:9999,2:9999,3:9999") as listener:
        event = await listener.next()
        assert event.event == "reset"
        assert orjson.loads(event.data)["from"] == event.id == "0:0,1:0,2:0,3:0"
        assert "beyond the end" in orjson.loads(event.data)["reason"]
        assert sorted(await listener.orders(2)) == ["a", "b"]


async def test_a_partition_that_the_topic_does_not_have_is_reset(harness: StreamHarness) -> None:
    await harness.publish("a")
    async with harness.listening(last_event_id="0:0,7:1") as listener:
        assert (await listener.next()).event == "reset"
        assert await listener.orders(1) == ["a"]


async def test_an_id_before_retention_is_reset(harness: StreamHarness, kafka_settings: KafkaSettings) -> None:
    await harness.publish("a", "b", "c", partition=1)
    admin = AIOKafkaAdminClient(**kafka_settings.client_options())
    await admin.start()
    await admin.delete_records({TopicPartition(harness.topic, 1): RecordsToDelete(before_offset=2)})
    await admin.close()
    async with harness.listening(last_event_id="0:0,1:1,2:0,3:0") as listener:
        event = await listener.next()
        assert (event.event, event.id) == ("reset", "0:0,1:2,2:0,3:0")
        assert "retention" in orjson.loads(event.data)["reason"]
        assert await listener.orders(1) == ["c"]


async def test_a_revoked_key_ends_its_stream(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any
) -> None:
    async with (
        serving(kafka_settings, database_url, check_seconds=0.1) as url,
        harness_at(url, connection, kafka_settings, order) as harness,
    ):
        async with harness.listening() as listener:
            await listener.started()
            await harness.publish("a")
            assert await listener.orders(1) == ["a"]
            assert await revoke_key(connection, harness.key.split("_")[1])
            await listener.ended()
        assert (await harness.client.get(PATH)).status_code == 401


async def test_a_stop_ends_all_streams_at_once(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any, tmp_path: Path
) -> None:
    with ApiProcess(kafka_settings, database_url, tmp_path / "api.log") as api:
        async with (
            harness_at(api.url, connection, kafka_settings, order) as harness,
            harness.listening() as one,
            harness.listening(flagged="true") as other,
        ):
            await one.started()
            await other.started()
            stopping = asyncio.create_task(asyncio.to_thread(api.terminate))
            await one.ended()
            await other.ended()
            assert await stopping == 0
    assert "Traceback" not in api.log.read_text()


async def test_streams_end_after_their_time_and_can_be_resumed(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any
) -> None:
    got: list[str] = []
    last_id: str | None = None
    async with (
        serving(kafka_settings, database_url, api_stream_seconds=0.3) as url,
        harness_at(url, connection, kafka_settings, order) as harness,
    ):
        publishing = asyncio.create_task(harness.publish(*[f"o{number}" for number in range(2000)], partition=3))
        while len(got) < 2000:
            async with harness.listening(last_id, **{"from": "beginning"}) as listener:
                got += [orjson.loads(event.data)["order_id"] async for event in listener.until_its_end()]
                last_id = listener.last_id or last_id
        await publishing
    assert got == [f"o{number}" for number in range(2000)]


async def test_five_hundred_listeners_each_get_everything_in_order(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any, tmp_path: Path
) -> None:
    ids = [f"o{number}" for number in range(100)]
    started = asyncio.Barrier(501)

    async def listen(harness: StreamHarness) -> list[str]:
        async with harness.listening() as listener:
            await listener.started()
            await started.wait()
            return await listener.orders(len(ids))

    with ApiProcess(kafka_settings, database_url, tmp_path / "api.log") as api:
        async with harness_at(api.url, connection, kafka_settings, order) as harness:
            listeners = [asyncio.create_task(listen(harness)) for _ in range(500)]
            await started.wait()
            await harness.publish(*ids, partition=2)
            assert await asyncio.gather(*listeners) == [ids] * 500
            await until(lambda: _is_forgotten(harness), "the streams to be forgotten")


async def _is_forgotten(harness: StreamHarness) -> bool:
    return "orderwatch_api_decision_streams 0.0" in (await harness.client.get("/metrics")).text


async def test_the_broker_fails_and_recovers(
    private_kafka: EmbeddedKafka, database_url: str, connection: asyncpg.Connection, order: Any
) -> None:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers)
    await ensure_topics(settings)
    async with (
        serving(settings, database_url) as url,
        harness_at(url, connection, settings, order) as harness,
        harness.listening() as listener,
    ):
        await listener.started()
        await harness.publish("a")
        assert await listener.orders(1) == ["a"]
        await asyncio.to_thread(private_kafka.terminate)
        # A client that connects in the meantime waits, too.
        async with harness.listening() as newcomer:
            private_kafka.start()
            await asyncio.to_thread(private_kafka.wait_ready)
            await newcomer.started()
            await harness.publish("b")
            assert await listener.orders(1) == ["b"]
            assert await newcomer.orders(1) == ["b"]
