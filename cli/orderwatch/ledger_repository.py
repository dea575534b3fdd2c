"""SQL of the ledger: recorded outcomes, gaps and positions, per partition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from order_contract.origin import Origin

# The outcome of each consumed message, over the tables that record it.
_RECORDED = """
recorded (partition, "offset", outcome) as (
    select source_partition, source_offset, 'stored' from orders where source_topic = $1 and source_epoch = $2
    union all
    select partition, "offset", 'stored' from labels where topic = $1 and epoch = $2
    union all
    select partition, "offset", outcome from stream_outcomes where topic = $1 and epoch = $2
    union all
    select partition, generate_series(first_offset, next_offset - 1), 'retired'
    from retired_offsets where topic = $1 and epoch = $2
)
"""
_FIRST_OFFSETS = f"""
with {_RECORDED}
select partition, min("offset") as first
from (
    select partition, "offset" from recorded
    union all
    select partition, first_offset from stream_gaps where topic = $1 and epoch = $2
) as anything
group by partition
"""  # noqa: S608  (only the constant above)
_OUTCOMES = f"""
with {_RECORDED},
committed as (select * from unnest($3::int[], $4::bigint[]) as committed (partition, "offset"))
select
    partition,
    count(*) filter (where outcome in ('stored', 'retired')) as stored,
    count(*) filter (where outcome = 'retired') as retired,
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
select coalesce(sum(least(next_offset, $4) - first_offset), 0)::bigint
from stream_gaps
where topic = $1 and epoch = $2 and partition = $3 and first_offset < $4
"""
_MISSING = f"""
with {_RECORDED}
select "offset"
from generate_series($4::bigint, $5::bigint - 1) as expected ("offset")
where not exists (
        select from stream_gaps as gap
        where gap.topic = $1 and gap.epoch = $2 and gap.partition = $3
            and expected."offset" >= gap.first_offset and expected."offset" < gap.next_offset
    )
    and "offset" not in (select "offset" from recorded where partition = $3)
order by "offset"
limit $6
"""  # noqa: S608
_TWICE = f"""
with {_RECORDED}
select "offset" from recorded where partition = $3 and "offset" < $4
group by "offset" having count(*) > 1 order by "offset" limit $5
"""  # noqa: S608
_GROUP_EPOCH = "select max(epoch) from group_positions where consumer_group = $1 and topic = $2"
# Nothing is added to an earlier epoch any more: what is recorded of it counts even where the group's position trails.
_FINAL_POSITIONS = f"""
with {_RECORDED}
select partition, max(next)::bigint as next
from (
    select partition, "offset" + 1 as next from recorded
    union all
    select partition, next_offset from group_positions where topic = $1 and epoch = $2 and consumer_group = $3
) as anything
group by partition
order by partition
"""  # noqa: S608
_ORDERS = "select order_id, outcome from orders"
_COMMITTED_ORDERS = """
select order_id, orders.outcome
from orders
join unnest($3::int[], $4::bigint[]) as committed (partition, "offset") on source_partition = committed.partition
where source_topic = $1 and source_epoch = $2 and source_offset < committed."offset"
"""


_RETIRED = """
select given.order_id
from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[])
    as given (order_id, topic, epoch, partition, "offset")
where exists (
    select from retired_offsets as retired
    where retired.topic = given.topic and retired.epoch = given.epoch and retired.partition = given.partition
        and given."offset" >= retired.first_offset and given."offset" < retired.next_offset
)
"""


class TopicEpoch(NamedTuple):
    """One of the topics that had a name: see `Origin` for the epoch."""

    topic: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What is recorded for one partition's consumed messages; `offsets` counts each offset once.

    Of those stored, `retired` were removed since by retention.
    """

    stored: int = 0
    retired: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: int = 0
    offsets: int = 0


async def group_epoch(connection: asyncpg.Connection, group: str, topic: str) -> int | None:
    """The newest epoch of the topic that the group has read anything of."""
    epoch: int | None = await connection.fetchval(_GROUP_EPOCH, group, topic)
    return epoch


async def final_positions(connection: asyncpg.Connection, group: str, source: TopicEpoch) -> dict[int, int]:
    """How far messages of an earlier epoch were read: the group's position, or the last recorded offset."""
    return {row["partition"]: row["next"] for row in await connection.fetch(_FINAL_POSITIONS, *source, group)}


async def first_offsets(connection: asyncpg.Connection, source: TopicEpoch) -> dict[int, int]:
    """The first offset of each partition for which anything is recorded."""
    return {row["partition"]: row["first"] for row in await connection.fetch(_FIRST_OFFSETS, *source)}


async def outcomes(
    connection: asyncpg.Connection, source: TopicEpoch, committed: Mapping[int, int]
) -> dict[int, Outcomes]:
    """What is recorded below each partition's committed offset."""
    rows = await connection.fetch(_OUTCOMES, *source, list(committed), list(committed.values()))
    return {
        row["partition"]: Outcomes(**{name: value for name, value in row.items() if name != "partition"})
        for row in rows
    }


async def offsets_in_gaps(connection: asyncpg.Connection, source: TopicEpoch, partition: int, end: int) -> int:
    """How many offsets below `end` lie in recorded gaps."""
    count: int = await connection.fetchval(_GAPS, *source, partition, end)
    return count


async def missing_offsets(
    connection: asyncpg.Connection, source: TopicEpoch, partition: int, offsets: range, limit: int
) -> Sequence[int]:
    """Those of the offsets that have no outcome and lie in no gap."""
    return [
        row["offset"]
        for row in await connection.fetch(_MISSING, *source, partition, offsets.start, offsets.stop, limit)
    ]


async def offsets_recorded_twice(
    connection: asyncpg.Connection, source: TopicEpoch, partition: int, end: int, limit: int
) -> Sequence[int]:
    """Offsets below `end` that have more than one outcome."""
    return [row["offset"] for row in await connection.fetch(_TWICE, *source, partition, end, limit)]


async def order_outcomes(connection: asyncpg.Connection) -> dict[str, str]:
    """The outcome of each order."""
    return {row["order_id"]: row["outcome"] for row in await connection.fetch(_ORDERS)}


async def committed_order_outcomes(
    connection: asyncpg.Connection, source: TopicEpoch, committed: Mapping[int, int]
) -> dict[str, str]:
    """The outcome of each order that came from below the committed offsets."""
    rows = await connection.fetch(_COMMITTED_ORDERS, *source, list(committed), list(committed.values()))
    return {row["order_id"]: row["outcome"] for row in rows}


async def retired_orders(connection: asyncpg.Connection, origins: Mapping[str, Origin]) -> set[str]:
    """Those of the orders, given with their origins, that were stored and removed since."""
    if not origins:
        return set()
    rows = [(order_id, each.topic, each.epoch, each.partition, each.offset) for order_id, each in origins.items()]
    return {row["order_id"] for row in await connection.fetch(_RETIRED, *zip(*rows, strict=True))}
