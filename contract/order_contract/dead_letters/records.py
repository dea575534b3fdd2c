"""All SQL about dead letters, over views `dead_letters` and `redrive_outcomes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import asyncpg

from order_contract.dead_letters.letter import Letter, Redrive, State
from order_contract.dead_letters.origin import Origin
from order_contract.statements import Arguments


class Database(Protocol):
    """What is asked of a connection or a pool."""

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]: ...
    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterCriteria:
    """Which dead letters; None asks for nothing. All must hold."""

    error_type: str | None = None
    order_id: str | None = None
    state: State | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


class LetterPosition(NamedTuple):
    """Where a dead letter stands in a listing, newest first."""

    recorded_at: datetime
    origin: Origin


_COLUMNS: Final = 'topic, partition, "offset", kind, order_id, error_type, error, recorded_at, redrives, state'
_PLACE: Final = '(recorded_at, topic, partition, "offset")'
_CONDITIONS: Final = {
    "error_type": "error_type = {}",
    "order_id": "order_id = {}",
    "state": "state = {}",
    "recorded_from": "recorded_at >= {}",
    "recorded_to": "recorded_at < {}",
}
_LETTER: Final = f'select {_COLUMNS} from dead_letters where topic = $1 and partition = $2 and "offset" = $3'  # noqa: S608
_STATES: Final = """
    select topic, partition, "offset", state
    from dead_letters
    join unnest($1::text[], $2::integer[], $3::bigint[]) as wanted (topic, partition, "offset")
        using (topic, partition, "offset")
"""
_REDRIVES: Final = """
    select attempt, redriven_by, corrected, started_at, new_partition, new_offset, published_at, outcome
    from redrive_outcomes
    where topic = $1 and partition = $2 and "offset" = $3
    order by attempt
"""
_BEGIN: Final = """
    insert into redrives (topic, partition, "offset", attempt, redriven_by, corrected, order_id)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict do nothing
    returning attempt
"""
_COMPLETE: Final = """
    update redrives set new_partition = $5, new_offset = $6, published_at = now()
    where topic = $1 and partition = $2 and "offset" = $3 and attempt = $4
    returning attempt
"""


def listing(
    criteria: LetterCriteria, after: LetterPosition | None, count: int, *, oldest_first: bool = False
) -> tuple[str, list[object]]:
    """The statement for a page, and its arguments."""
    arguments = Arguments()
    conditions = arguments.conditions(criteria, _CONDITIONS)
    if after is not None:
        place = ", ".join(map(arguments.add, (after.recorded_at, *after.origin)))
        conditions.append(f"{_PLACE} {'>' if oldest_first else '<'} ({place})")
    where = f"where {' and '.join(conditions)}" if conditions else ""
    direction = "asc" if oldest_first else "desc"
    order = ", ".join(f"{column} {direction}" for column in ("recorded_at", "topic", "partition", '"offset"'))
    return f"select {_COLUMNS} from dead_letters {where} order by {order} limit {count:d}", arguments.values  # noqa: S608


async def letters(
    database: Database,
    criteria: LetterCriteria,
    after: LetterPosition | None,
    count: int,
    *,
    oldest_first: bool = False,
) -> list[Letter]:
    """Up to `count` dead letters that meet the criteria, newest first unless asked otherwise, from `after` on."""
    statement, arguments = listing(criteria, after, count, oldest_first=oldest_first)
    return [_letter(record) for record in await database.fetch(statement, *arguments)]


async def letter(database: Database, origin: Origin) -> Letter | None:
    """The dead letter of an origin."""
    record = await database.fetchrow(_LETTER, *origin)
    return None if record is None else _letter(record)


async def states(database: Database, origins: Sequence[Origin]) -> dict[Origin, State]:
    """What became of some dead letters."""
    topics, partitions, offsets = zip(*origins, strict=True)
    found = await database.fetch(_STATES, topics, partitions, offsets)
    return {Origin(record["topic"], record["partition"], record["offset"]): State(record["state"]) for record in found}


async def redrives(database: Database, origin: Origin) -> list[Redrive]:
    """The redrives of a dead letter, oldest first."""
    return [_redrive(origin.topic, record) for record in await database.fetch(_REDRIVES, *origin)]


async def begin_redrive(
    database: Database, origin: Origin, attempt: int, *, redriven_by: str, corrected: bool, order_id: str | None
) -> bool:
    """Record that a redrive is about to be published; False when somebody else has begun this attempt."""
    begun = await database.fetchrow(_BEGIN, *origin, attempt, redriven_by, corrected, order_id)
    return begun is not None


async def complete_redrive(database: Database, origin: Origin, attempt: int, published_as: Origin) -> None:
    """Record where it was published."""
    await database.fetchrow(_COMPLETE, *origin, attempt, published_as.partition, published_as.offset)


def _letter(record: asyncpg.Record) -> Letter:
    return Letter(
        Origin(record["topic"], record["partition"], record["offset"]),
        record["kind"],
        record["order_id"],
        record["error_type"],
        record["error"],
        record["recorded_at"],
        record["redrives"],
        State(record["state"]),
    )


def _redrive(topic: str, record: asyncpg.Record) -> Redrive:
    published = record["published_at"] is not None
    return Redrive(
        record["attempt"],
        record["redriven_by"],
        record["corrected"],
        record["started_at"],
        Origin(topic, record["new_partition"], record["new_offset"]) if published else None,
        record["published_at"],
        State(record["outcome"]),
    )
