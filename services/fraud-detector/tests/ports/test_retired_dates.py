"""Orders of retired dates on Postgres: dead letters, by either way of writing, also while the boundary moves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest

from fraud_detector.stream.postgres_store import PostgresStore
from order_contract.error_types import ErrorType

from .test_decision_store import RULESET, batch, value

pytestmark = pytest.mark.integration

BOUNDARY = date(2026, 11, 22)
OLD, NEW = b"2026-11-21T23:59:59.999999", b"2026-11-22T00:00:00"


def order(order_id: str, created: bytes) -> bytes:
    return value(order_id).replace(b"2026-11-22T10:00:00.123456", created)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(params=[1, 10**9], ids=["copy", "insert"])
async def store(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database_url, topic="orders", rulesets=[RULESET], copy_from=request.param)
    yield store
    await store.close()


async def outcomes(database: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[int, str, str]]:
    rows = await database.fetch('select "offset", outcome, error_type from stream_outcomes order by 1')
    return [tuple(row) for row in rows]


async def freeze(database: "asyncpg.Connection[asyncpg.Record]", day: date) -> None:
    await database.execute(
        "insert into warehouse_loads (warehouse, table_name, partition_start, frozen_at) "
        "values ('w', 'orders', $1, now())",
        day,
    )


async def test_orders_before_the_boundary_are_dead_letters_and_others_are_stored(
    store: PostgresStore, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await database.execute("select move_retention($1)", BOUNDARY)
    mixed = batch((0, 0, order("old", OLD)), (0, 1, order("new", NEW)), (0, 2, b"broken"))
    for _ in range(2):  # a repeat gives the same
        result = await store.store(mixed)
        assert [row.order_id for row in result.orders] == ["new"]
        (retired,) = result.retired
        assert (retired.error_type, retired.order_id, retired.field) == (ErrorType.RETIRED_DATE, "old", "created_date")
        assert "2026-11-21 23:59:59 WIB is before 2026-11-22" in retired.error
        assert await outcomes(database) == [(0, "dead-letter", "retired-date"), (2, "dead-letter", "not-json")]
        assert await database.fetchval("select count(*) from orders") == 1


async def test_what_was_retired_is_not_stored_again_and_keeps_its_outcome(
    store: PostgresStore, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first = batch(*((0, n, order(f"o{n}", OLD if n % 5 else NEW)) for n in range(10)))
    await store.store(first)
    await database.execute("select move_retention($1)", BOUNDARY)
    assert await database.fetchval("select retire_orders(100)") == 0, "no date is frozen yet"
    await freeze(database, date(2026, 11, 21))
    removed = [await database.fetchval("select retire_orders(3)") for _ in range(4)]
    assert removed == [3, 3, 2, 0]
    ranges = await database.fetch("select first_offset, next_offset from retired_offsets")
    offsets = sorted(offset for first_offset, end in ranges for offset in range(first_offset, end))
    assert offsets == [n for n in range(10) if n % 5]
    assert len(ranges) <= 4

    again = await store.store(first)  # read again after its offset was set back: everything has its outcome
    assert [row.order_id for row in again.orders] == ["o0", "o5"]
    assert (again.duplicates, list(again.retired), await outcomes(database)) == (8, [], [])
    resent = await store.store(batch((0, 10, order("o1", OLD))))
    assert [letter.order_id for letter in resent.retired] == ["o1"]
    assert await outcomes(database) == [(10, "dead-letter", "retired-date")]


async def test_the_boundary_waits_for_what_is_being_stored(database_url: str, store: PostgresStore) -> None:
    storing, moving = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        transaction = storing.transaction()
        await transaction.start()
        await storing.fetchval("select storable_from()")
        moved = asyncio.create_task(moving.execute("select move_retention($1)", BOUNDARY))
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while await storing.fetchval(waiting) == 0:  # noqa: ASYNC110  (only Postgres knows)
            await asyncio.sleep(0.01)
        assert not moved.done()
        await transaction.commit()
        await moved
        result = await store.store(batch((0, 0, order("old", OLD))))
        assert (list(result.orders), len(result.retired)) == ([], 1)
        await moving.execute("select move_retention($1)", date(2026, 1, 1))
        assert await moving.fetchval("select retired_before from retention") == BOUNDARY, "it never moves back"
    finally:
        await storing.close()
        await moving.close()


async def test_without_a_boundary_every_date_is_stored(store: PostgresStore) -> None:
    result = await store.store(batch((0, 0, order("ancient", b"2001-01-01T00:00:00"))))
    assert [row.order_id for row in result.orders] == ["ancient"]
