"""Topic epochs: the creation of a topic that each group reads, in tables `topic_epochs` and `group_positions`.

A topic that is deleted and created again begins a new epoch. A group that has read the one before does not move to it
by itself: that is the operator's decision, which `accept` records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg

from fraud_detector.stream.ports import RecreatedTopicError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# Detectors that start together must not number the same topic twice; any constant serves.
_LOCK = f"select pg_advisory_xact_lock({0x4F58})"
_BOUND = """
    select epoch, topic_id, sum(next_offset)::bigint as messages
    from group_positions
    join topic_epochs using (topic, epoch)
    where consumer_group = $1 and topic = $2
    group by epoch, topic_id
    order by epoch desc
    limit 1
"""
_NEWEST = "select epoch, topic_id from topic_epochs where topic = $1 order by epoch desc limit 1"
_ADD = "insert into topic_epochs (topic, epoch, topic_id) values ($1, $2, $3)"
_ADOPT = "update topic_epochs set topic_id = $3 where topic = $1 and epoch = $2"
_RECORD = """
    insert into group_positions (consumer_group, topic, epoch, partition, next_offset)
    select $1, $2, $3, * from unnest($4::integer[], $5::bigint[])
    on conflict (consumer_group, topic, epoch, partition)
    do update set next_offset = excluded.next_offset, recorded_at = now()
"""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a group reads: the epoch of the topic, its id, and how many messages the group has finished of it."""

    epoch: int
    topic_id: UUID | None
    messages: int


async def bound(connection: Connection, group: str, topic: str) -> Binding | None:
    """The newest epoch that the group has read anything of, None for a new group."""
    record = await connection.fetchrow(_BOUND, group, topic)
    return None if record is None else Binding(*record)


async def bind(connection: Connection, group: str, topic: str, topic_id: UUID | None) -> int:
    """The epoch that the group reads, given the topic's id now. Raises RecreatedTopicError.

    A new group reads from the beginning whatever is there, so it skips nothing: it is bound without a question.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        binding = await bound(connection, group, topic)
        newest = await connection.fetchrow(_NEWEST, topic)
        if newest is None:
            await connection.execute(_ADD, topic, 1, topic_id)
            return 1
        epoch: int = newest["epoch"] if binding is None else binding.epoch
        known: UUID | None = newest["topic_id"] if binding is None else binding.topic_id
        if topic_id is None or topic_id == known:
            return epoch
        if known is None:  # recorded by a release that did not ask for ids, or from a broker that gave none
            await connection.execute(_ADOPT, topic, epoch, topic_id)
            return epoch
        if binding is not None:
            raise RecreatedTopicError(
                f"topic {topic} was deleted and created again: group '{group}' has read {binding.messages} messages of "
                f"the topic with id {known}, and the topic's id is {topic_id} now. What it had not read of the old "
                f"one is lost. `fraud-detector accept-topic` reads the new one from its beginning"
            )
        await connection.execute(_ADD, topic, epoch + 1, topic_id)
        return epoch + 1


async def accept(
    connection: Connection, group: str, topic: str, topic_id: UUID | None, beginnings: Mapping[int, int]
) -> int:
    """Let the group read the topic from these beginnings on, as a new epoch, and return that."""
    async with connection.transaction():
        await connection.execute(_LOCK)
        newest = await connection.fetchrow(_NEWEST, topic)
        epoch: int = 1 if newest is None else newest["epoch"] + 1
        await connection.execute(_ADD, topic, epoch, topic_id)
        await record(connection, group, topic, epoch, beginnings)
        return epoch


async def record(connection: Connection, group: str, topic: str, epoch: int, next_offsets: Mapping[int, int]) -> None:
    """Record where the group is, by partition."""
    await connection.execute(_RECORD, group, topic, epoch, list(next_offsets), list(next_offsets.values()))
