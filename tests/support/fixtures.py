"""Fixtures that the tests of every package may ask for. The broker and the database start when first asked for.

    broker               bootstrap servers of a real Kafka                     session
    postgres             a superuser's URL of a real PostgreSQL                session
    kafka_settings       KafkaSettings on `broker`: the test's own topics and group, the topics created
    database_url         the test's own migrated database on `postgres`
    databases            where it comes from
    private_kafka        the test's own EmbeddedKafka, serving: to kill, stop and start again
    private_postgres     the test's own EmbeddedPostgres, serving; `url("postgres")` connects

ORDERWATCH_TEST_BACKEND=containers takes broker and postgres from containers; the private ones are always embedded.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from order_platform.kafka.topics import ensure_topics, topic_specs
from order_platform.settings import KafkaSettings
from tests.support import embedded
from tests.support.databases import Databases
from tests.support.own_loop import run_on_own_loop

# Settings of the developer's own system must not steer a test, least of all to that system's data.
_KEPT = ("ORDERWATCH_TEST_", "ORDERWATCH_CACHE")


# What a test that needs one of these is marked by: `make test-unit` leaves it out.
_SERVERS = frozenset({"broker", "postgres", "private_kafka", "private_postgres"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server, whichever fixture starts it for them, as `integration`."""
    for item in items:
        if not _SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    for name in list(os.environ):
        if name.startswith("ORDERWATCH_") and not name.startswith(_KEPT):
            del os.environ[name]


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Bootstrap servers of a real Kafka."""
    if _in_containers():
        from tests.support import containers  # noqa: PLC0415  (needs an engine's client, which most runs do not)

        with containers.broker() as servers:
            yield servers
    else:
        with embedded.broker() as servers:
            yield servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A superuser's URL of a real PostgreSQL."""
    if _in_containers():
        from tests.support import containers  # noqa: PLC0415  (as above)

        with containers.postgres() as url:
            yield url
    else:
        with embedded.postgres() as url:
            yield url


@pytest.fixture
def kafka_settings(broker: str) -> Iterator[KafkaSettings]:
    """Settings with topics and a consumer group that no other test has; the topics are there."""
    with own_topics(broker) as settings:
        yield settings


@contextmanager
def own_topics(broker: str) -> Iterator[KafkaSettings]:
    """The same for fixtures of another scope."""
    run = uuid.uuid4().hex[:12]
    settings = KafkaSettings(
        kafka=broker,
        orders_topic=f"orders-{run}",
        decisions_topic=f"decisions-{run}",
        dead_letter_topic=f"orders.dlq-{run}",
        labels_topic=f"labels-{run}",
        consumer_group=f"fraud-detector-{run}",
    )
    run_on_own_loop(ensure_topics(settings))
    yield settings
    run_on_own_loop(_delete_topics(settings))


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated, empty database that no other test has at the same time."""
    with own_database(databases) as url:
        yield url


@contextmanager
def own_database(databases: Databases) -> Iterator[str]:
    """The same for fixtures of another scope."""
    url = run_on_own_loop(databases.take())
    yield url
    run_on_own_loop(databases.give_back(url))


@pytest.fixture
def private_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """The test's own broker, serving."""
    server = embedded.new_kafka(tmp_path / "kafka")
    with embedded.serving(server):
        yield server


@pytest.fixture
def private_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """The test's own database server, serving."""
    server = embedded.new_postgres(tmp_path / "postgres")
    with embedded.serving(server):
        yield server


@pytest.fixture(scope="session")
def databases(postgres: str) -> Databases:
    """Databases of `postgres` that tests use one after the other."""
    return Databases(postgres)


def _in_containers() -> bool:
    backend = os.environ.get("ORDERWATCH_TEST_BACKEND", "embedded")
    if backend not in {"embedded", "containers"}:
        raise pytest.UsageError(f"ORDERWATCH_TEST_BACKEND is embedded or containers, not {backend!r}")
    return backend == "containers"


async def _delete_topics(settings: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**settings.client_options())
    await admin.start()
    try:
        await admin.delete_topics([spec.name for spec in topic_specs(settings)])
    finally:
        await admin.close()
