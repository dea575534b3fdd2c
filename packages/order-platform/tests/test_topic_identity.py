"""Which topic a commit, an origin and a group mean, once a topic of the same name was created again."""

from uuid import UUID

import asyncpg
import pytest
from aiokafka import errors
from aiokafka.structs import OffsetAndMetadata
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from order_platform.kafka.committed_offsets import commit_metadata, valid_offset
from order_platform.kafka.errors import describe, is_permanent
from order_platform.kafka.topic_identity import TopicIdentity
from order_platform.postgres import migrations
from order_platform.postgres.topic_epochs import bind_group, find_epoch, read_epochs, record_positions
from order_platform.settings import KafkaSettings

A, B, C = (UUID(int=number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("known", "topic_id", "epoch"),
    [
        ({}, A, 1),
        ({}, None, 1),
        ({1: None}, A, 1),
        ({1: A}, A, 1),
        ({1: A}, None, 1),
        ({1: A}, B, None),
        ({1: A, 2: B}, B, 2),
        ({1: A, 2: B}, A, 1),
        ({1: A, 2: B}, C, None),
        ({1: A, 2: A}, A, 2),
    ],
)
def test_the_epoch_of_an_id(known: dict[int, UUID | None], topic_id: UUID | None, epoch: int | None) -> None:
    assert find_epoch(known, topic_id) == epoch


@pytest.mark.parametrize(
    ("committed", "expected", "offset"),
    [
        (None, "", None),
        (OffsetAndMetadata(-1, ""), "", None),
        (OffsetAndMetadata(7, ""), "", 7),
        (OffsetAndMetadata(7, ""), f"{A}/1", 7),
        (OffsetAndMetadata(7, commit_metadata(A, 1)), f"{A}/1", 7),
        (OffsetAndMetadata(7, commit_metadata(A, 1)), f"{A}/", 7),
        (OffsetAndMetadata(7, commit_metadata(A, 1)), f"{A}/2", None),
        (OffsetAndMetadata(7, commit_metadata(A, 1)), f"{B}/", None),
        (OffsetAndMetadata(7, commit_metadata(A, 1)), "", 7),
    ],
)
def test_a_commit_counts_for_the_topic_that_it_names(
    committed: OffsetAndMetadata | None, expected: str, offset: int | None
) -> None:
    assert valid_offset(committed, expected) == offset


def test_a_broker_without_ids_gets_no_metadata() -> None:
    assert commit_metadata(None, 3) == ""


def test_permanent_errors_say_what_to_change() -> None:
    error = errors.TopicAuthorizationFailedError("decisions")
    assert is_permanent(error)
    assert "decisions" in describe(error)
    assert "grant this user" in describe(error)
    assert not is_permanent(errors.NotLeaderForPartitionError())
    assert not is_permanent(errors.OutOfOrderSequenceNumber())
    assert not is_permanent(TimeoutError())


@pytest.mark.integration
async def test_the_broker_gives_each_topic_its_id(kafka_settings: KafkaSettings) -> None:
    async with TopicIdentity(kafka_settings, kafka_settings.orders_topic) as orders:
        first = await orders.read()
        assert first is not None
        assert await orders.read() == first
    async with TopicIdentity(kafka_settings, kafka_settings.decisions_topic) as decisions:
        assert await decisions.read() not in {None, first}
    async with TopicIdentity(kafka_settings, "no-such-topic") as missing:
        with pytest.raises(errors.UnknownTopicOrPartitionError):
            await missing.read()


@pytest.mark.integration
async def test_what_an_earlier_release_stored_came_from_the_first_epoch(postgres: str) -> None:
    name = "before_epochs"
    admin = await asyncpg.connect(postgres)
    try:
        await admin.execute(f"create database {name}")
        url = f"{postgres.rpartition('/')[0]}/{name}"
        await _upgrade_to(url, "0006")
        connection = await asyncpg.connect(url)
        await connection.execute(
            """
            insert into orders values (
                'o1', 'u', 'p', 1, 1, 'IDR', 'OVO', 'ID', now(), null, null, null, null, null, null, null, 'genuine',
                'approve', 0, '[]', null, '{}', 'v', now(), 2, 17, now()
            )
            """
        )
        await connection.execute("insert into stream_outcomes values ('shop-orders', 2, 18, 'dead-letter')")
        await connection.execute(
            "insert into redrives values ('shop-orders', 2, 18, 1, 'x', false, 'o1', now(), 2, 17, now())"
        )
        await connection.close()
        assert (await migrations.upgrade(url, "orders"))[0] == "0006"
        connection = await asyncpg.connect(url)
        origin = "select source_topic, source_epoch, source_partition, source_offset from orders"
        assert [tuple(row) for row in await connection.fetch(origin)] == [("shop-orders", 1, 2, 17)]
        assert await connection.fetchval("select state from dead_letters where epoch = 1") == "stored"
        assert await read_epochs(connection, "shop-orders") == {1: None}
        await connection.close()
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


@pytest.mark.integration
async def test_a_recorded_position_is_not_taken_back_by_a_member_that_lost_the_partition(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        epoch = await bind_group(connection, "group", "labels", A)
        for positions in ({0: 5, 1: 3}, {0: 4, 1: 7}):
            await record_positions(connection, "group", "labels", epoch, positions)
        recorded = await connection.fetch("select partition, next_offset from group_positions order by partition")
        assert [tuple(row) for row in recorded] == [(0, 5), (1, 7)]
    finally:
        await connection.close()


async def _upgrade_to(url: str, revision: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool)

    def migrate(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", migrations.__path__[0])
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()
