"""What the API's tests share: an application on a database of its own, callers of it, and orders to store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import asyncpg
import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from fastapi import FastAPI
from pydantic import SecretStr

from order_api.app import create_app
from order_api.auth.credential_cache import CACHE_SECONDS
from order_api.auth.keys import create_key
from order_api.kit.registry import ServiceRegistry
from order_api.settings import ApiSettings
from order_contract.decision import OrderRow
from order_platform.kafka.lag import ConsumerGroup, GroupMember, PartitionLag

NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)
Service = TypeVar("Service")

NOWHERE = "postgresql://stranger@127.0.0.1:1/nothing"


class FakeLag:
    """A broker that answers what the test says."""

    def __init__(self) -> None:
        self.partitions = [PartitionLag(0, 0, 40, 42), PartitionLag(1, 5, None, 6)]
        self.away = False
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["FakeLag"]:
        if self.away:
            raise KafkaConnectionError("unreachable")
        self.opened += 1
        yield self

    async def read(self) -> list[PartitionLag]:
        if self.away:
            raise KafkaConnectionError("gone")
        return self.partitions

    async def group(self) -> ConsumerGroup:
        return ConsumerGroup("fraud-detector", "Stable", (GroupMember("aiokafka", "/10.0.0.7", (0, 1)),))


def make_order(order_id: str = "order-1", **changes: Any) -> OrderRow:
    """An approved order placed at noon; `flagged=True` makes it one that a rule declined."""
    flagged = changes.pop("flagged", False)
    row = OrderRow(
        order_id=order_id,
        user_id="user-1",
        product_id="product-1",
        quantity=1,
        amount=100_000,
        currency="IDR",
        payment_method="QRIS",
        country="ID",
        created_date=NOON,
        device_id="device-1",
        ip_address="36.68.10.20",
        voucher_code=None,
        email="user@example.com",
        shipping_country=None,
        account_created_date=None,
        attributes='{"channel":"app"}',
        status="fraud" if flagged else "genuine",
        outcome="decline" if flagged else "approve",
        risk_score=90 if flagged else 0,
        hits='[{"rule":"large-order","severity":"high","score":90,"mode":"live","reason":"Too large."}]'
        if flagged
        else "[]",
        rule_ids=["large-order"] if flagged else None,
        features='{"local_hour":12}',
        ruleset_version="v1",
        decided_at=NOON + timedelta(milliseconds=12),
        seen=None,
        lists_seen=None,
        source_topic="orders",
        source_epoch=1,
        source_partition=2,
        source_offset=17,
        appended_at=NOON + timedelta(milliseconds=2),
    )
    return row._replace(**changes)


MakeOrder = Callable[..., OrderRow]
Store = Callable[..., Awaitable[None]]


@pytest.fixture(scope="session")
def order() -> MakeOrder:
    """`make_order`, for tests."""
    return make_order


@pytest.fixture
def lag() -> FakeLag:
    """The broker of `app`."""
    return FakeLag()


@pytest.fixture(scope="session")
def healthy_lag() -> FakeLag:
    """A broker that stays available."""
    return FakeLag()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database of `app`."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def store(connection: asyncpg.Connection) -> Store:
    """Stores orders, as the detector would."""

    async def store_orders(*rows: OrderRow) -> None:
        await connection.copy_records_to_table("orders", records=rows, columns=OrderRow._fields)

    return store_orders


@asynccontextmanager
async def running(app: FastAPI, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `app` while it runs."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client,
    ):
        APPS[client] = app
        yield client


APPS: WeakKeyDictionary[httpx.AsyncClient, FastAPI] = WeakKeyDictionary()


@pytest.fixture
def service_of() -> Callable[[httpx.AsyncClient, type[Service]], Service]:
    """`service_of(client, OrderService)`: a service of the application that a client calls."""

    def find(client: httpx.AsyncClient, kind: type[Service]) -> Service:
        services: ServiceRegistry = APPS[client].state.services
        return services.get(kind)

    return find


@pytest.fixture
def app_of() -> Callable[[httpx.AsyncClient], FastAPI]:
    """The application that a client calls."""
    return APPS.__getitem__


Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def credential_seconds() -> float:
    """How long look-ups of keys and sessions are cached; tests that need none override it."""
    return CACHE_SECONDS


@pytest.fixture
def serve(database_url: str, connection: asyncpg.Connection, lag: FakeLag, credential_seconds: float) -> Serve:
    """An API with its own settings on the test's database, and a client of it: `async with serve(role="read")`."""

    @asynccontextmanager
    async def serve_api(role: str | None = "read", **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        key = None if role is None else (await create_key(connection, "test", role))[1]
        # Other tests may use all cores for as long as one waits for a backtest.
        settings = {"api_backtest_priority": "low", **settings}
        own = ApiSettings(database_url=SecretStr(database_url), **settings)
        app = create_app(own, lag.open, credential_seconds=credential_seconds)
        async with running(app, key) as client:
            yield client

    return serve_api


@pytest.fixture
def app(database_url: str, lag: FakeLag, credential_seconds: float) -> FastAPI:
    """The API on a database of its own."""
    settings = ApiSettings(database_url=SecretStr(database_url))
    return create_app(settings, lag.open, credential_seconds=credential_seconds)


@pytest.fixture
async def client(app: FastAPI, connection: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of role read."""
    _, key = await create_key(connection, "test", "read")
    async with running(app, key) as client:
        yield client


@pytest.fixture
async def client_without_database(lag: FakeLag) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API whose database is unavailable."""
    async with running(create_app(ApiSettings(database_url=SecretStr(NOWHERE)), lag.open)) as client:
        yield client
