"""The ledger: consumed equals recorded, or it says which offsets are at fault."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from order_contract.origin import Origin
from order_platform.kafka.lag import PartitionLag
from orderwatch.ledger import PartitionLedger, read_ledger
from orderwatch.ledger_repository import Outcomes, TopicEpoch, retired_orders

TOPIC = "orders"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def store(database: asyncpg.Connection, partition: int, first: int, end: int) -> None:
    """Orders that came from these offsets."""
    await database.execute(
        """
        insert into orders (
            order_id, user_id, product_id, quantity, amount, currency, payment_method, country, created_date, status,
            outcome, risk_score, hits, features, ruleset_version, decided_at, source_topic, source_epoch,
            source_partition, source_offset, appended_at
        )
        select
            'o' || $1::int || '-' || source_offset, 'U1', 'P1', 1, 1, 'IDR', 'DANA', 'ID', now(), 'genuine',
            'approve', 0, '[]', '{}', 'v', now(), 'orders', 1, $1, source_offset, now()
        from generate_series($2::bigint, $3::bigint - 1) as source_offset
        """,
        partition,
        first,
        end,
    )


async def record(database: asyncpg.Connection, partition: int, offset: int, outcome: str) -> None:
    await database.execute(
        'insert into stream_outcomes (topic, partition, "offset", outcome) values ($1, $2, $3, $4)',
        *(TOPIC, partition, offset, outcome),
    )


async def leave_gap(database: asyncpg.Connection, partition: int, first: int, end: int) -> None:
    await database.execute(
        "insert into stream_gaps (topic, partition, first_offset, next_offset, reason) values ($1, $2, $3, $4, 'x')",
        *(TOPIC, partition, first, end),
    )


async def ledger_of(database: asyncpg.Connection, position: PartitionLag) -> PartitionLedger:
    (ledger,) = await read_ledger(database, TopicEpoch(TOPIC, 1), [position])
    return ledger


@pytest.mark.integration
async def test_each_kind_of_outcome_counts(database: asyncpg.Connection) -> None:
    await store(database, 0, 0, 10)
    for offset, outcome in ((10, "duplicate"), (11, "conflict"), (12, "dead-letter")):
        await record(database, 0, offset, outcome)
    await leave_gap(database, 0, 13, 15)
    ledger = await ledger_of(database, PartitionLag(partition=0, beginning=0, committed=15, end=20))
    assert ledger.outcomes == Outcomes(stored=10, duplicates=1, conflicts=1, dead_letters=1, offsets=13)
    assert (ledger.consumed, ledger.recorded, ledger.in_gaps) == (13, 13, 2)
    assert ledger.agrees
    assert ledger.differences() == []


@pytest.mark.integration
async def test_what_is_stored_but_not_yet_committed_does_not_count(database: asyncpg.Connection) -> None:
    await store(database, 0, 0, 10)
    ledger = await ledger_of(database, PartitionLag(partition=0, beginning=0, committed=7, end=10))
    assert ledger.agrees
    assert ledger.consumed == 7


@pytest.mark.integration
async def test_missing_offsets_are_named(database: asyncpg.Connection) -> None:
    await store(database, 0, 0, 4)
    await store(database, 0, 6, 10)
    ledger = await ledger_of(database, PartitionLag(partition=0, beginning=0, committed=10, end=10))
    assert ledger.differences() == ["partition 0: 2 consumed messages have no outcome: offsets 4, 5"]


@pytest.mark.integration
async def test_one_missing_and_one_twice_do_not_cancel_out(database: asyncpg.Connection) -> None:
    await store(database, 0, 0, 9)
    await record(database, 0, 3, "duplicate")
    ledger = await ledger_of(database, PartitionLag(partition=0, beginning=0, committed=10, end=10))
    assert ledger.consumed == ledger.recorded
    assert ledger.differences() == [
        "partition 0: 1 consumed messages have no outcome: offsets 9",
        "partition 0: 1 outcomes too many: offsets 3 have more than one",
    ]


@pytest.mark.integration
async def test_partitions_and_other_topics_are_kept_apart(database: asyncpg.Connection) -> None:
    await store(database, 0, 0, 5)
    await store(database, 1, 0, 3)
    await database.execute("insert into stream_outcomes values ('other', 1, 3, 'duplicate')")
    positions = [
        PartitionLag(partition=0, beginning=0, committed=5, end=5),
        PartitionLag(partition=1, beginning=0, committed=3, end=3),
        PartitionLag(partition=2, beginning=0, committed=None, end=4),
    ]
    ledgers = await read_ledger(database, TopicEpoch(TOPIC, 1), positions)
    assert [ledger.consumed for ledger in ledgers] == [5, 3, 0]
    assert all(ledger.agrees for ledger in ledgers)


@pytest.mark.integration
async def test_counting_begins_with_the_first_recorded_offset(database: asyncpg.Connection) -> None:
    await store(database, 0, 100, 110)
    ledger = await ledger_of(database, PartitionLag(partition=0, beginning=0, committed=110, end=110))
    assert ledger.agrees
    assert ledger.notes() == ["partition 0: offsets 0 to 99 came before the first recorded one"]


@pytest.mark.integration
async def test_retention_is_named(database: asyncpg.Connection) -> None:
    await store(database, 0, 0, 10)
    passed = await ledger_of(database, PartitionLag(partition=0, beginning=6, committed=10, end=12))
    assert passed.agrees
    assert passed.notes() == ["partition 0: retention moved the topic's beginning to offset 6"]
    lost = await ledger_of(database, PartitionLag(partition=0, beginning=15, committed=10, end=20))
    assert lost.notes() == ["partition 0: retention deleted offsets 10 to 14 before they were consumed"]


def test_a_long_list_of_offsets_is_cut() -> None:
    ledger = PartitionLedger(0, 0, 0, 100, 100, 0, Outcomes(), missing=tuple(range(10)))
    assert ledger.differences()[0].endswith("offsets 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...")


async def test_stored_orders_that_were_retired_count_as_stored(database: asyncpg.Connection) -> None:
    await store(database, 0, 10, 20)
    await database.execute(
        "insert into warehouse_loads (warehouse, table_name, partition_start, frozen_at) "
        "select 'w', 'orders', (created_date at time zone 'Asia/Jakarta')::date, now() from orders limit 1"
    )
    await database.execute("select move_retention((now() at time zone 'Asia/Jakarta')::date + 1)")
    assert await database.fetchval("select retire_orders(4)") == 4
    ledger = await ledger_of(database, PartitionLag(0, 10, 20, 20))
    assert ledger.agrees
    assert (ledger.first, ledger.outcomes.stored, ledger.outcomes.retired) == (10, 10, 4)
    assert any("4 stored orders were removed" in note for note in ledger.notes())
    origins = {f"o0-{offset}": Origin(TOPIC, 0, offset) for offset in (10, 19)} | {"other": Origin(TOPIC, 0, 9)}
    assert await retired_orders(database, origins) == set(origins) - {"other", "o0-19"}
