"""Repository of dead letters and their redrives: all SQL, over views `dead_letters` and `redrive_outcomes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from dead_letters.model import DeadLetter, Redrive, RedriveState
from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome
from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilters:
    """AND-combined filters; None means not filtered."""

    error_type: str | None = None
    order_id: str | None = None
    state: RedriveState | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


class DeadLetterPosition(NamedTuple):
    """The position of a dead letter in a list."""

    recorded_at: datetime
    origin: Origin


_COLUMNS: Final = 'topic, partition, "offset", epoch, kind, order_id, error_type, error, recorded_at, redrives, state'
_POSITION: Final = '(recorded_at, topic, epoch, partition, "offset")'
_CONDITIONS: Final = {
    "error_type": "error_type = {}",
    "order_id": "order_id = {}",
    "state": "state = {}",
    "recorded_from": "recorded_at >= {}",
    "recorded_to": "recorded_at < {}",
}
_DEAD_LETTER: Final = f"""
    select {_COLUMNS} from dead_letters
    where topic = $1 and partition = $2 and "offset" = $3 and epoch = $4
"""  # noqa: S608
_STATES: Final = """
    select topic, partition, "offset", epoch, state
    from dead_letters
    join unnest($1::text[], $2::integer[], $3::bigint[], $4::integer[]) as wanted (topic, partition, "offset", epoch)
        using (topic, partition, "offset", epoch)
"""
_REDRIVES: Final = """
    select attempt, redriven_by, corrected, started_at, new_partition, new_offset, new_epoch, published_at, outcome
    from redrive_outcomes
    where topic = $1 and partition = $2 and "offset" = $3 and epoch = $4
    order by attempt
"""
_BEGIN: Final = """
    insert into redrives (topic, partition, "offset", epoch, attempt, redriven_by, corrected, order_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict do nothing
    returning attempt
"""
_COMPLETE: Final = """
    update redrives set new_partition = $6, new_offset = $7, new_epoch = $8, published_at = now()
    where topic = $1 and partition = $2 and "offset" = $3 and epoch = $4 and attempt = $5
    returning attempt
"""


def build_list_query(
    filters: DeadLetterFilters, after: DeadLetterPosition | None, count: int, *, oldest_first: bool = False
) -> tuple[str, list[object]]:
    """The statement for a page, and its arguments."""
    arguments = QueryArguments()
    conditions = arguments.conditions(filters, _CONDITIONS)
    if after is not None:
        topic, partition, offset, epoch = after.origin
        place = ", ".join(map(arguments.add, (after.recorded_at, topic, epoch, partition, offset)))
        conditions.append(f"{_POSITION} {'>' if oldest_first else '<'} ({place})")
    where = f"where {' and '.join(conditions)}" if conditions else ""
    direction = "asc" if oldest_first else "desc"
    order = ", ".join(f"{column} {direction}" for column in ("recorded_at", "topic", "epoch", "partition", '"offset"'))
    return f"select {_COLUMNS} from dead_letters {where} order by {order} limit {count:d}", arguments.values  # noqa: S608


async def list_dead_letters(
    database: QueryExecutor,
    filters: DeadLetterFilters,
    after: DeadLetterPosition | None,
    count: int,
    *,
    oldest_first: bool = False,
) -> list[DeadLetter]:
    """Up to `count` dead letters, newest first unless `oldest_first`, from `after` on."""
    statement, arguments = build_list_query(filters, after, count, oldest_first=oldest_first)
    return [_dead_letter(record) for record in await database.fetch(statement, *arguments)]


async def find_dead_letter(database: QueryExecutor, origin: Origin) -> DeadLetter | None:
    """The dead letter of an origin."""
    record = await database.fetchrow(_DEAD_LETTER, *origin)
    return None if record is None else _dead_letter(record)


async def read_states(database: QueryExecutor, origins: Sequence[Origin]) -> dict[Origin, RedriveState]:
    """The states of some dead letters."""
    found = await database.fetch(_STATES, *zip(*origins, strict=True))
    return {_origin(record): RedriveState(record["state"]) for record in found}


async def list_redrives(database: QueryExecutor, origin: Origin) -> list[Redrive]:
    """The redrives of a dead letter, oldest first."""
    return [_redrive(origin.topic, record) for record in await database.fetch(_REDRIVES, *origin)]


async def begin_redrive(
    database: QueryExecutor, origin: Origin, attempt: int, *, redriven_by: str, corrected: bool, order_id: str | None
) -> bool:
    """Record that a redrive is about to be published; False when another process has begun this attempt."""
    begun = await database.fetchrow(_BEGIN, *origin, attempt, redriven_by, corrected, order_id)
    return begun is not None


async def complete_redrive(database: QueryExecutor, origin: Origin, attempt: int, published_as: Origin) -> None:
    """Record the origin that it was published as."""
    await database.fetchrow(_COMPLETE, *origin, attempt, *published_as[1:])


def _origin(record: asyncpg.Record) -> Origin:
    return Origin(record["topic"], record["partition"], record["offset"], record["epoch"])


def _dead_letter(record: asyncpg.Record) -> DeadLetter:
    return DeadLetter(
        _origin(record),
        MessageOutcome(record["kind"]),
        record["order_id"],
        record["error_type"],
        record["error"],
        record["recorded_at"],
        record["redrives"],
        RedriveState(record["state"]),
    )


def _redrive(topic: str, record: asyncpg.Record) -> Redrive:
    published = record["published_at"] is not None
    return Redrive(
        record["attempt"],
        record["redriven_by"],
        record["corrected"],
        record["started_at"],
        Origin(topic, record["new_partition"], record["new_offset"], record["new_epoch"]) if published else None,
        record["published_at"],
        RedriveState(record["outcome"]),
    )
