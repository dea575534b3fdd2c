"""The embedded Kafka and PostgreSQL: what they keep over a kill, and how they say that they failed."""

import time
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from devstack.server import ServerFailedError
from order_platform.kafka.topics import MAX_ORDER_BYTES, ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.embedded import new_kafka
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


async def test_postgres_keeps_what_was_committed_over_a_kill(private_postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(private_postgres.url())
    await connection.execute("create table kept as select 'Orderwatch' as word")
    first = private_postgres.pid
    private_postgres.kill()
    await connection.close(timeout=1)
    private_postgres.start()
    await _ready(private_postgres)
    connection = await asyncpg.connect(private_postgres.url())
    assert await connection.fetchval("select word from kept") == "Orderwatch"
    assert await connection.fetchval("show fsync") == "on"
    assert await connection.fetchval("show server_encoding") == "UTF8"
    await connection.close()
    assert private_postgres.pid != first


async def test_postgres_requires_its_password(private_postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(private_postgres.url().replace(":test@", ":guess@"))


async def test_kafka_keeps_the_largest_order_over_a_kill(private_kafka: EmbeddedKafka) -> None:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers)
    assert await ensure_topics(settings) == ("orders", "decisions", "orders.dlq", "labels")
    assert await ensure_topics(settings) == ()
    order = b"x" * MAX_ORDER_BYTES
    async with AIOKafkaProducer(
        **settings.client_options(), enable_idempotence=True, max_request_size=2 * MAX_ORDER_BYTES
    ) as producer:
        await producer.send_and_wait(settings.orders_topic, order)
    private_kafka.kill()
    private_kafka.start()
    await _ready(private_kafka)
    async with AIOKafkaConsumer(
        settings.orders_topic, **settings.client_options(), auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).value == order


def test_an_idle_broker_writes_nothing(private_kafka: EmbeddedKafka) -> None:
    """Its controller would write a record every half second, which costs a laptop CPU time all day."""
    (metadata,) = private_kafka.data.glob("__cluster_metadata-0/*.log")

    def is_quiet() -> bool:
        before = metadata.read_bytes()
        time.sleep(1.2)
        return metadata.read_bytes() == before

    eventually(is_quiet, "a time in which nothing is written")


def test_settings_of_a_broker_go_before_the_usual_ones(tmp_path: Path) -> None:
    new_kafka(tmp_path, {"num.io.threads": 1}).prepare()
    lines = (tmp_path / "server.properties").read_text().splitlines()
    assert [line for line in lines if line.startswith("num.io.threads=")] == ["num.io.threads=1"]


def test_a_server_that_cannot_start_says_why(private_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    second = EmbeddedPostgres(tmp_path / "second", private_postgres.port, "another password")
    second.start()
    with pytest.raises(ServerFailedError, match="postgres ended while starting") as raised:
        second.wait_ready()
    assert "Address already in use" in raised.value.advice


async def _ready(server: EmbeddedKafka | EmbeddedPostgres) -> None:
    while await server.probe() is not None:
        assert server.running
