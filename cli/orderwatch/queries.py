"""All SQL of the `orderwatch` command."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from order_contract.decision import OrderRow
from orderwatch.explain.evidence import Origin, Refusal

_DATABASE_EXISTS = "select exists (select from pg_database where datname = $1)"
_KEY_VALID = "select exists (select from api_keys where key_id = $1 and revoked_at is null)"

# What became of each consumed message, over both tables that record it.
_RECORDED = """
recorded (partition, "offset", outcome) as (
    select source_partition, source_offset, 'stored' from orders
    union all
    select partition, "offset", outcome from stream_outcomes where topic = $1
)
"""
_FIRST_OFFSETS = f"""
with {_RECORDED}
select partition, min("offset") as first
from (
    select partition, "offset" from recorded
    union all
    select partition, first_offset from stream_gaps where topic = $1
) as anything
group by partition
"""  # noqa: S608  (only the constant above)
_OUTCOMES = f"""
with {_RECORDED},
committed as (select * from unnest($2::int[], $3::bigint[]) as committed (partition, "offset"))
select
    partition,
    count(*) filter (where outcome = 'stored') as stored,
    count(*) filter (where outcome = 'duplicate') as duplicates,
    count(*) filter (where outcome = 'conflict') as conflicts,
    count(*) filter (where outcome = 'dead-letter') as dead_letters,
    count(distinct recorded."offset") as offsets
from recorded
join committed using (partition)
where recorded."offset" < committed."offset"
group by partition
"""  # noqa: S608
_GAPS = """
select coalesce(sum(least(next_offset, $3) - first_offset), 0)::bigint
from stream_gaps
where topic = $1 and partition = $2 and first_offset < $3
"""
_MISSING = f"""
with {_RECORDED}
select "offset"
from generate_series($3::bigint, $4::bigint - 1) as expected ("offset")
where not exists (
        select from stream_gaps as gap
        where gap.topic = $1 and gap.partition = $2
            and expected."offset" >= gap.first_offset and expected."offset" < gap.next_offset
    )
    and "offset" not in (select "offset" from recorded where partition = $2)
order by "offset"
limit $5
"""  # noqa: S608
_TWICE = f"""
with {_RECORDED}
select "offset" from recorded where partition = $2 and "offset" < $3
group by "offset" having count(*) > 1 order by "offset" limit $4
"""  # noqa: S608
_ORDERS = "select order_id, outcome from orders"
_COMMITTED_ORDERS = """
select order_id, orders.outcome
from orders
join unnest($1::int[], $2::bigint[]) as committed (partition, "offset") on source_partition = committed.partition
where source_offset < committed."offset"
"""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What is recorded for one partition's consumed messages; `offsets` counts each offset once."""

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: int = 0
    offsets: int = 0


async def ensure_database(connection: asyncpg.Connection, name: str) -> None:
    """Create a database unless it is there."""
    if not await connection.fetchval(_DATABASE_EXISTS, name):
        await connection.execute(f"create database {name}")


async def key_is_valid(connection: asyncpg.Connection, key_id: str | None) -> bool:
    """Whether an API key is there and not revoked."""
    return bool(await connection.fetchval(_KEY_VALID, key_id))


async def first_offsets(connection: asyncpg.Connection, topic: str) -> dict[int, int]:
    """The first offset of each partition for which anything is recorded."""
    return {row["partition"]: row["first"] for row in await connection.fetch(_FIRST_OFFSETS, topic)}


async def outcomes(connection: asyncpg.Connection, topic: str, committed: Mapping[int, int]) -> dict[int, Outcomes]:
    """What is recorded below each partition's committed offset."""
    rows = await connection.fetch(_OUTCOMES, topic, list(committed), list(committed.values()))
    return {
        row["partition"]: Outcomes(**{name: value for name, value in row.items() if name != "partition"})
        for row in rows
    }


async def offsets_in_gaps(connection: asyncpg.Connection, topic: str, partition: int, end: int) -> int:
    """How many offsets below `end` lie in recorded gaps."""
    count: int = await connection.fetchval(_GAPS, topic, partition, end)
    return count


async def missing_offsets(
    connection: asyncpg.Connection, topic: str, partition: int, offsets: range, limit: int
) -> Sequence[int]:
    """Those of the offsets that have no outcome and lie in no gap."""
    return [
        row["offset"] for row in await connection.fetch(_MISSING, topic, partition, offsets.start, offsets.stop, limit)
    ]


async def offsets_recorded_twice(
    connection: asyncpg.Connection, topic: str, partition: int, end: int, limit: int
) -> Sequence[int]:
    """Offsets below `end` that have more than one outcome."""
    return [row["offset"] for row in await connection.fetch(_TWICE, topic, partition, end, limit)]


async def order_outcomes(connection: asyncpg.Connection, committed: Mapping[int, int] | None = None) -> dict[str, str]:
    """The outcome of each order, of all or of those below the committed offsets."""
    rows = (
        await connection.fetch(_ORDERS)
        if committed is None
        else await connection.fetch(_COMMITTED_ORDERS, list(committed), list(committed.values()))
    )
    return {row["order_id"]: row["outcome"] for row in rows}


_ORDERS_BY_ID = f"select {', '.join(OrderRow._fields)} from orders where order_id = any($1::text[])"  # noqa: S608
_RULESETS = "select version, content from rulesets where version = any($1::text[])"
_REFUSAL_COLUMNS = 'topic, partition, "offset", outcome, order_id, error_type, error, recorded_at'
_REFUSALS_BY_ORDER = f"""
select {_REFUSAL_COLUMNS} from stream_outcomes
where topic = $1 and order_id = any($2::text[])
order by recorded_at, partition, "offset"
"""  # noqa: S608
_REFUSAL_AT = f'select {_REFUSAL_COLUMNS} from stream_outcomes where (topic, partition, "offset") = ($1, $2, $3)'  # noqa: S608
_ORDER_AT = "select order_id from orders where (source_partition, source_offset) = ($1, $2)"
_GAP_AT = """
select first_offset, next_offset, reason from stream_gaps
where topic = $1 and partition = $2 and first_offset <= $3 and next_offset > $3
"""
# In the order of their arrival, so that neighbours lie near each other on the topics.
_SAMPLE = """
select order_id from (select order_id, appended_at from orders order by random() limit $1) as sample
order by appended_at
"""


async def rows(connection: asyncpg.Connection, order_ids: Collection[str]) -> dict[str, OrderRow]:
    """Those of the orders that are stored."""
    return {record["order_id"]: OrderRow(*record) for record in await connection.fetch(_ORDERS_BY_ID, order_ids)}


async def rulesets(connection: asyncpg.Connection, versions: Collection[str]) -> dict[str, str]:
    """The YAML text of each of the versions that is kept."""
    return dict(map(tuple, await connection.fetch(_RULESETS, versions)))


async def refusals(connection: asyncpg.Connection, topic: str, order_ids: Collection[str]) -> list[Refusal]:
    """The messages with these order ids that became no row, oldest first."""
    return [Refusal(*record) for record in await connection.fetch(_REFUSALS_BY_ORDER, topic, order_ids)]


async def refusal_at(connection: asyncpg.Connection, origin: Origin) -> Refusal | None:
    """What is recorded of a message that became no row."""
    record = await connection.fetchrow(_REFUSAL_AT, *origin)
    return None if record is None else Refusal(*record)


async def order_at(connection: asyncpg.Connection, origin: Origin) -> str | None:
    """The order that was made of a message; goes through the whole table."""
    order_id: str | None = await connection.fetchval(_ORDER_AT, origin.partition, origin.offset)
    return order_id


async def gap_at(connection: asyncpg.Connection, origin: Origin) -> tuple[int, int, str] | None:
    """The recorded gap in which an offset lies: first, next, and why."""
    record = await connection.fetchrow(_GAP_AT, *origin)
    return None if record is None else tuple(record)


async def sample(connection: asyncpg.Connection, count: int) -> list[str]:
    """Ids of random orders, in the order in which their messages were appended."""
    return [record["order_id"] for record in await connection.fetch(_SAMPLE, count)]
