"""Backtests in Postgres, table `backtests`: requested, running, and their reports.

The process that runs a backtest reports its progress every second. A backtest without a report for a while is
interrupted, whatever its row says: its process was killed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import asyncpg
import orjson

from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor

SILENT_SECONDS: Final = 15
MOST_KEPT: Final = 500
"""Backtests that are kept; older ones are deleted when another one is requested."""


class State(StrEnum):
    """Where a backtest is between its request and its end."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The process that ran it, or would have, stopped."""

    @property
    def has_ended(self) -> bool:
        return self not in {State.QUEUED, State.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBacktest:
    """A backtest to run. `against_name` and `against_version` are None for the stored decisions."""

    author: str
    ruleset_name: str
    ruleset_version: str
    against_name: str | None
    against_version: str | None
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBacktest(NewBacktest):
    """A backtest as it is listed. `orders` is how many there are to decide, once that is known."""

    id: int
    requested_at: datetime
    state: State
    started_at: datetime | None
    ended_at: datetime | None
    orders: int | None
    decided: int
    error: str | None


_STATE: Final = f"""
    case when state in ('queued', 'running') and reported_at < clock_timestamp() - interval '{SILENT_SECONDS} s'
    then 'interrupted' else state end
"""
_COLUMNS: Final = f"""
    id, author, ruleset_name, ruleset_version, against_name, against_version, since, until, requested_at,
    {_STATE} as state, started_at, ended_at, orders, decided, error
"""
_ADD: Final = f"""
    insert into backtests (author, ruleset_name, ruleset_version, against_name, against_version, since, until)
    values ($1, $2, $3, $4, $5, $6, $7) returning {_COLUMNS}
"""  # noqa: S608
_DELETE_OLD: Final = """
    delete from backtests where id <= (select id from backtests order by id desc offset $1 limit 1)
"""
_FIND: Final = f"select {_COLUMNS} from backtests where id = $1"  # noqa: S608
_REPORT: Final = "select report::text as report from backtests where id = $1"
_PAGE: Final = "select page from backtests where id = $1"
_REPORT_PROGRESS: Final = """
    update backtests set reported_at = clock_timestamp(), orders = given.orders, decided = given.decided,
        state = case when given.is_running then 'running' else state end,
        started_at = case when given.is_running then coalesce(started_at, clock_timestamp()) end
    from unnest($1::bigint[], $2::boolean[], $3::bigint[], $4::bigint[]) as given (id, is_running, orders, decided)
    where backtests.id = given.id and state in ('queued', 'running')
    returning backtests.id
"""
_END: Final = """
    update backtests set state = $2, ended_at = clock_timestamp(), error = $3, report = $4::jsonb, page = $5,
        decided = coalesce($6, decided)
    where id = $1 and state in ('queued', 'running') returning id
"""


async def add_backtest(database: QueryExecutor, new: NewBacktest) -> StoredBacktest:
    """Store a request, queued; the oldest ones beyond MOST_KEPT are deleted."""
    await database.fetch(_DELETE_OLD, MOST_KEPT - 1)
    row = await database.fetchrow(
        _ADD,
        new.author,
        new.ruleset_name,
        new.ruleset_version,
        new.against_name,
        new.against_version,
        new.since,
        new.until,
    )
    assert row is not None
    return _stored(row)


async def find_backtest(database: QueryExecutor, backtest_id: int) -> StoredBacktest | None:
    """One backtest without its report."""
    row = await database.fetchrow(_FIND, backtest_id)
    return None if row is None else _stored(row)


async def read_report(database: QueryExecutor, backtest_id: int) -> Mapping[str, Any] | None:
    """The report as a document; None before there is one."""
    row = await database.fetchrow(_REPORT, backtest_id)
    return None if row is None or row["report"] is None else orjson.loads(row["report"])


async def read_page(database: QueryExecutor, backtest_id: int) -> str | None:
    """The report as an HTML page; None before there is one."""
    row = await database.fetchrow(_PAGE, backtest_id)
    return None if row is None else row["page"]


async def list_backtests(
    database: QueryExecutor, *, state: State | None, before: int | None, count: int
) -> Sequence[StoredBacktest]:
    """Up to `count` backtests, newest first, of those with a smaller id than `before`."""
    arguments = QueryArguments()
    conditions = ["true"]
    if state is not None:
        conditions.append(f"{_STATE} = {arguments.add(state.value)}")
    if before is not None:
        conditions.append(f"id < {arguments.add(before)}")
    rows = await database.fetch(
        f"select {_COLUMNS} from backtests where {' and '.join(conditions)} order by id desc limit {count:d}",  # noqa: S608
        *arguments.values,
    )
    return [_stored(row) for row in rows]


@dataclass(slots=True)
class Progress:
    """How far a backtest of this process has come."""

    is_running: bool = False
    orders: int | None = None
    decided: int = 0


async def report_progress(database: QueryExecutor, progress: Mapping[int, Progress]) -> set[int]:
    """Store how far backtests have come; returns those that are to continue: the others were cancelled."""
    rows = await database.fetch(
        _REPORT_PROGRESS,
        list(progress),
        [each.is_running for each in progress.values()],
        [each.orders for each in progress.values()],
        [each.decided for each in progress.values()],
    )
    return {row["id"] for row in rows}


async def end_backtest(
    database: QueryExecutor,
    backtest_id: int,
    state: State,
    *,
    error: str | None = None,
    report: str | None = None,
    page: str | None = None,
    decided: int | None = None,
) -> bool:
    """Store that a backtest has ended; False when it had ended before."""
    return await database.fetchrow(_END, backtest_id, state.value, error, report, page, decided) is not None


def _stored(row: asyncpg.Record) -> StoredBacktest:
    return StoredBacktest(**{**row, "state": State(row["state"])})
