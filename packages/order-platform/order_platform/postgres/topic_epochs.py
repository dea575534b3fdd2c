"""The epochs of topics and which of them each group reads, in tables `topic_epochs` and `group_positions`.

An epoch is one creation of a topic, numbered from 1 and known by the broker's id for it. A topic that is deleted and
created again begins a new epoch. A group that has read the one before does not move to it by itself: that is the
operator's decision, which `accept_topic` records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg

from order_contract.advisory_locks import AdvisoryLock
from order_platform.postgres.sql_builder import QueryExecutor

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# Detectors that start together must not number the same topic twice.
_LOCK = f"select pg_advisory_xact_lock({AdvisoryLock.TOPIC_EPOCHS:d})"
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
    where group_positions.next_offset < excluded.next_offset
"""
_EPOCHS = "select epoch, topic_id from topic_epochs where topic = $1 order by epoch"


class RecreatedTopicError(Exception):
    """The topic was deleted and created again: which messages to read is the operator's decision."""


@dataclass(frozen=True, slots=True)
class GroupBinding:
    """What a group reads: the epoch of the topic, its id, and how many messages the group has finished of it."""

    epoch: int
    topic_id: UUID | None
    messages: int


async def find_binding(connection: Connection, group: str, topic: str) -> GroupBinding | None:
    """The newest epoch that the group has read anything of, None for a new group."""
    record = await connection.fetchrow(_BOUND, group, topic)
    return None if record is None else GroupBinding(*record)


async def bind_group(connection: Connection, group: str, topic: str, topic_id: UUID | None) -> int:
    """The epoch that the group reads, given the topic's id now. Raises RecreatedTopicError.

    A new group reads from the beginning whatever is there, so it skips nothing: it is bound without a question.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        binding = await find_binding(connection, group, topic)
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


async def accept_topic(
    connection: Connection, group: str, topic: str, topic_id: UUID | None, beginnings: Mapping[int, int]
) -> int:
    """Let the group read the topic from these beginnings on, as a new epoch, and return that."""
    async with connection.transaction():
        await connection.execute(_LOCK)
        newest = await connection.fetchrow(_NEWEST, topic)
        epoch: int = 1 if newest is None else newest["epoch"] + 1
        await connection.execute(_ADD, topic, epoch, topic_id)
        await record_positions(connection, group, topic, epoch, beginnings)
        return epoch


async def record_positions(
    connection: Connection, group: str, topic: str, epoch: int, next_offsets: Mapping[int, int]
) -> None:
    """Record where the group is, by partition, unless it was further already.

    A member that lost a partition may still be storing a batch of it when the next one is further.
    """
    await connection.execute(_RECORD, group, topic, epoch, list(next_offsets), list(next_offsets.values()))


async def read_epochs(database: QueryExecutor, topic: str) -> dict[int, UUID | None]:
    """The id of each topic that had this name, by epoch, oldest first; None where its id is not known."""
    return {row["epoch"]: row["topic_id"] for row in await database.fetch(_EPOCHS, topic)}


def find_epoch(epochs: Mapping[int, UUID | None], topic_id: UUID | None) -> int | None:
    """The epoch of the topic that has this id now; None for one that was created again and is not accepted yet.

    From a broker that gives topics no ids the newest is taken, and so is one whose id was not recorded.
    """
    newest = max(epochs, default=1)
    if topic_id is None or epochs.get(newest) in {None, topic_id}:
        return newest
    return max((epoch for epoch, its_id in epochs.items() if its_id == topic_id), default=None)
