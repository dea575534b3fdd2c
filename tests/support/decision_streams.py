"""Streams of live decisions in tests: the API over real HTTP, decisions to publish, and who listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import orjson
import uvicorn
from aiokafka import AIOKafkaProducer
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse
from pydantic import SecretStr

from order_api.app import create_app, release_clients
from order_api.auth.keys import create_key
from order_api.decisions.stream import DecisionStreams
from order_api.http.server import listen
from order_api.settings import ApiSettings
from order_contract.decision import OrderRow
from order_contract.decision_record import encode_decision
from order_platform.settings import KafkaSettings
from tests.support.waiting import until

PATH = "/v1/decisions/stream"
PATIENCE = 120.0
"""Seconds that a listener waits on a busy machine, on which hundreds of them connect at once."""


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
        async with asyncio.timeout(PATIENCE):
            async for event in self._events:
                self.last_id = event.id
                if event.data:
                    return event
        raise AssertionError("the stream ended")

    async def started(self) -> str:
        """Wait for its first event id, from which it can be resumed."""
        async with asyncio.timeout(PATIENCE):
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
        async with asyncio.timeout(PATIENCE):
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
    options: dict[str, Any] = {"timeout": PATIENCE, "limits": limits, "trust_env": False, "verify": False}
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, **options) as client,
        (harness := StreamHarness(key, client, settings, order)).producer,
    ):
        yield harness
