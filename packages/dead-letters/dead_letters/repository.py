"""All SQL about dead letters, over views `dead_letters` and `redrive_outcomes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import asyncpg

from dead_letters.model import Letter, Redrive, State
from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome
from order_platform.postgres.sql_builder import QueryArguments


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


_COLUMNS: Final = 'topic, partition, "offset", epoch, kind, order_id, error_type, error, recorded_at, redrives, state'
_PLACE: Final = '(recorded_at, topic, epoch, partition, "offset")'
_CONDITIONS: Final = {
    "error_type": "error_type = {}",
    "order_id": "order_id = {}",
    "state": "state = {}",
    "recorded_from": "recorded_at >= {}",
    "recorded_to": "recorded_at < {}",
}
_LETTER: Final = f"""
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


def listing(
    criteria: LetterCriteria, after: LetterPosition | None, count: int, *, oldest_first: bool = False
) -> tuple[str, list[object]]:
    """The statement for a page, and its arguments."""
    arguments = QueryArguments()
    conditions = arguments.conditions(criteria, _CONDITIONS)
    if after is not None:
        topic, partition, offset, epoch = after.origin
        place = ", ".join(map(arguments.add, (after.recorded_at, topic, epoch, partition, offset)))
        conditions.append(f"{_PLACE} {'>' if oldest_first else '<'} ({place})")
    where = f"where {' and '.join(conditions)}" if conditions else ""
    direction = "asc" if oldest_first else "desc"
    order = ", ".join(f"{column} {direction}" for column in ("recorded_at", "topic", "epoch", "partition", '"offset"'))
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
    found = await database.fetch(_STATES, *zip(*origins, strict=True))
    return {_origin(record): State(record["state"]) for record in found}


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
    await database.fetchrow(_COMPLETE, *origin, attempt, *published_as[1:])


def _origin(record: asyncpg.Record) -> Origin:
    return Origin(record["topic"], record["partition"], record["offset"], record["epoch"])


def _letter(record: asyncpg.Record) -> Letter:
    return Letter(
        _origin(record),
        MessageOutcome(record["kind"]),
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
        Origin(topic, record["new_partition"], record["new_offset"], record["new_epoch"]) if published else None,
        record["published_at"],
        State(record["outcome"]),
    )
