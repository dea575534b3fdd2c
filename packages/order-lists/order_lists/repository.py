"""Repository of lists: all SQL.

Changes wait for each other by an advisory lock that is held until the commit, so their numbers and times rise in the
sequence of commits, and who has read up to a number has missed none before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from decision_engine.lists import EntryChange
from order_contract.advisory_locks import AdvisoryLock
from order_lists.model import (
    SNOOZE_KIND,
    ChangeRequest,
    ChangeResult,
    ListEntry,
    ListSpec,
    OrderListSummary,
    OtherListError,
    UnknownListError,
)
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

MOST_AUDITED: Final = 100
"""Values of a change that its entry in the audit log shows; the entries themselves have all."""

_LOCK: Final = f"select pg_advisory_xact_lock({AdvisoryLock.LISTS:d})"
_CREATE: Final = """
    insert into lists (name, kind, field, created_by) values ($1, $2, $3, $4) on conflict (name) do nothing
    returning name
"""
_FIND: Final = "select name, kind, field from lists where name = $1"
_NAMES: Final = "select name from lists where kind <> 'snooze'"
_SUMMARIES: Final = """
    select name, kind, field,
        (select count(*) from list_entries where list = name and removed_in is null) as entries,
        created_at, created_by, change.changed_at, change.number as last_change
    from lists left join lateral (
        select number, changed_at from list_changes where list = name order by number desc limit 1
    ) as change on true
"""
_TO_ADD: Final = """
    select given.value, given.expires_at, entry.value is not null as replaces, entry.expires_at as expired_at
    from unnest($2::text[], $3::timestamptz[]) as given (value, expires_at)
    left join list_entries as entry on entry.list = $1 and entry.value = given.value and entry.removed_in is null
    where entry.value is null or entry.expires_at is distinct from given.expires_at
"""
_TO_REMOVE: Final = """
    select value, expires_at from list_entries where list = $1 and value = any($2::text[]) and removed_in is null
"""
# The clock may have been set back.
_CHANGE: Final = """
    insert into list_changes (number, list, changed_at, author, reason, provenance, added, removed)
    select coalesce(max(number), 0) + 1, $1,
        greatest(clock_timestamp(), max(changed_at) + interval '1 microsecond'), $2, $3, $4, $5, $6
    from list_changes
    returning number
"""
_END: Final = """
    update list_entries set removed_in = $2 where list = $1 and removed_in is null and value = any($3::text[])
"""
_ADD: Final = """
    insert into list_entries (list, value, added_in, expires_at)
    select $1, value, $2, expires_at from unnest($3::text[], $4::timestamptz[]) as given (value, expires_at)
"""
_ENTRIES: Final = """
    select entry.value, entry.expires_at, added.changed_at as added_at, removed.changed_at as removed_at,
        added.author, added.reason, added.provenance, entry.added_in, entry.removed_in,
        removed.author as removed_by, removed.reason as removal_reason
    from list_entries as entry
    join list_changes as added on added.number = entry.added_in
    left join list_changes as removed on removed.number = entry.removed_in
"""
_LISTINGS: Final = """
    select lists.name, lists.kind, entry.expires_at, added.changed_at as added_at, added.author, added.reason
    from list_entries as entry
    join lists on lists.name = entry.list
    join list_changes as added on added.number = entry.added_in
    where entry.removed_in is null and entry.value = $1 and lists.field = $2
    order by lists.name limit $3
"""
_NUMBER_AT: Final = "select coalesce(max(number), 0) from list_changes where changed_at <= $1"
_LAST: Final = "select coalesce(max(number), 0) from list_changes"
_MEMBERS: Final = """
    select name, field, value, expires_at, true from list_entries join lists on name = list
    where added_in <= $1 and (removed_in is null or removed_in > $1)
"""
_MEMBERSHIPS: Final = """
    select name, field, value, expires_at, true from list_entries join lists on name = list
    where removed_in is null and value = any($1::text[])
"""
# Within a change what it removes comes first: a value that it gives another expiry is removed and added.
_CHANGES: Final = """
    select number, name, field, value, expires_at, is_added
    from (
        select added_in as number, list, value, expires_at, true as is_added from list_entries where added_in > $1
        union all
        select removed_in, list, value, null, false from list_entries where removed_in > $1
    ) as change join lists on name = list
    order by number, is_added
"""


async def create_list(connection: Connection, spec: ListSpec, author: str) -> bool:
    """Create a list unless it exists, in a transaction; returns whether it was created.

    Raises OtherListError when one of this name has another kind or field.
    """
    async with connection.transaction():
        created = await connection.fetchrow(_CREATE, *spec, author) is not None
        if created:
            after = {"kind": spec.kind, "field": spec.field}
            await record_audit(connection, AuditRecord(author, "create", *_subject(spec), after=after))
            return True
        found = await find_list(connection, spec.name)
        if found != spec:
            raise OtherListError(
                f"list '{spec.name}' is a {found.kind} list of {found.field}, not a {spec.kind} list of {spec.field}; "
                "choose another name"
            )
        return False


async def find_list(database: QueryExecutor, name: str) -> ListSpec:
    """What a list is. Raises UnknownListError with the nearest name."""
    row = await database.fetchrow(_FIND, name)
    if row is None:
        raise UnknownListError(name, [known for (known,) in await database.fetch(_NAMES)])
    return ListSpec(*row.values())


async def list_summaries(
    database: QueryExecutor, *, kind: str | None, after: str | None, count: int
) -> list[OrderListSummary]:
    """Up to `count` lists in the order of their names, from `after` on."""
    arguments = QueryArguments()
    conditions = [] if kind is None else [f"kind = {arguments.add(kind)}"]
    if after is not None:
        conditions.append(f"name > {arguments.add(after)}")
    where = f"where {' and '.join(conditions)}" if conditions else ""
    rows = await database.fetch(f"{_SUMMARIES} {where} order by name limit {count:d}", *arguments.values)
    return [OrderListSummary(**row) for row in rows]


async def change_entries(connection: Connection, request: ChangeRequest) -> ChangeResult:
    """Add and remove entries as one change, with its entry in the audit log, in a transaction.

    A value that is in the list already gets the new expiry. Raises UnknownListError.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        spec = await find_list(connection, request.list_name)
        added = await connection.fetch(_TO_ADD, spec.name, list(request.add), list(request.add.values()))
        removed = await connection.fetch(_TO_REMOVE, spec.name, list(request.remove - request.add.keys()))
        unchanged = len(request.add) + len(request.remove - request.add.keys()) - len(added) - len(removed)
        if not added and not removed:
            return ChangeResult(None, 0, 0, unchanged)
        ended = {row["value"]: row["expires_at"] for row in removed}
        ended |= {row["value"]: row["expired_at"] for row in added if row["replaces"]}
        row = await connection.fetchrow(
            _CHANGE, spec.name, request.author, request.reason, request.provenance, len(added), len(ended)
        )
        assert row is not None
        number = int(row["number"])
        await connection.execute(_END, spec.name, number, list(ended))
        new = {row["value"]: row["expires_at"] for row in added}
        await connection.execute(_ADD, spec.name, number, list(new), list(new.values()))
        kind, subject = _subject(spec)
        before, after = _audited(spec, number, ended), _audited(spec, number, new)
        await record_audit(
            connection, AuditRecord(request.author, request.action, kind, subject, request.reason, before, after)
        )
        return ChangeResult(number, len(added), len(removed), unchanged)


async def list_entries(
    database: QueryExecutor, name: str, *, at: datetime | None, value: str | None, after: str | None, count: int
) -> list[ListEntry]:
    """Up to `count` entries of a list in the order of their values, from `after` on.

    Now, or `at` a moment: those that held then, for an order that was created at that moment.
    """
    arguments = QueryArguments()
    conditions = [f"entry.list = {arguments.add(name)}"]
    if at is None:
        conditions.append("entry.removed_in is null")
    else:
        number = await database.fetchrow(_NUMBER_AT, at)
        assert number is not None
        then, moment = arguments.add(number[0]), arguments.add(at)
        conditions.append(f"entry.added_in <= {then} and (entry.removed_in is null or entry.removed_in > {then})")
        conditions.append(f"(entry.expires_at is null or entry.expires_at > {moment})")
    if value is not None:
        conditions.append(f"entry.value = {arguments.add(value)}")
    if after is not None:
        conditions.append(f"entry.value > {arguments.add(after)}")
    rows = await database.fetch(
        f"{_ENTRIES} where {' and '.join(conditions)} order by entry.value limit {count:d}", *arguments.values
    )
    return [ListEntry(**row) for row in rows]


async def list_history(
    database: QueryExecutor, name: str, *, value: str | None, before: tuple[int, str] | None, count: int
) -> list[ListEntry]:
    """Up to `count` entries that a list has or had, those of the latest changes first.

    `before` is a place: the number of the change that added an entry, and its value.
    """
    arguments = QueryArguments()
    conditions = [f"added.list = {arguments.add(name)}"]
    if value is not None:
        conditions.append(f"entry.value = {arguments.add(value)}")
    if before is not None:
        number, last = map(arguments.add, before)
        conditions.append(f"added.number <= {number} and (added.number, entry.value) < ({number}, {last})")
    rows = await database.fetch(
        f"{_ENTRIES} where {' and '.join(conditions)} order by added.number desc, entry.value desc limit {count:d}",
        *arguments.values,
    )
    return [ListEntry(**row) for row in rows]


class Members(NamedTuple):
    """The members of all lists at a change number."""

    number: int
    entries: Sequence[EntryChange]


async def read_members(connection: Connection, number: int | None = None) -> Members:
    """The members of all lists at a change number, the last one unless it is given."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if number is None:
            number = await connection.fetchval(_LAST)
        rows = await connection.fetch(_MEMBERS, number)
    return Members(number or 0, [EntryChange(*row.values()) for row in rows])


class Listing(NamedTuple):
    """An entry of a list, as those who look at its value see it."""

    list: str
    kind: str
    expires_at: datetime | None
    added_at: datetime
    author: str
    reason: str


async def find_listings(database: QueryExecutor, field: str, value: str, most: int) -> Sequence[Listing]:
    """Up to `most` lists, and snoozes of rules, of a field that hold a value now, by name."""
    return [Listing(*row) for row in await database.fetch(_LISTINGS, value, field, most)]


async def read_memberships(database: QueryExecutor, values: Sequence[str]) -> Sequence[EntryChange]:
    """The entries of all lists that hold one of these values now, whatever the lists' fields are."""
    return [EntryChange(*row.values()) for row in await database.fetch(_MEMBERSHIPS, list(values))]


async def read_changes(database: QueryExecutor, after: int) -> list[Members]:
    """The changes after a number, in their sequence, each with the entries that it added and removed."""
    rows = [tuple(row.values()) for row in await database.fetch(_CHANGES, after)]
    return [
        Members(number, [EntryChange(*entry) for _, *entry in entries])
        for number, entries in groupby(rows, itemgetter(0))
    ]


def _subject(spec: ListSpec) -> tuple[SubjectKind, str]:
    if spec.kind == SNOOZE_KIND:
        return SubjectKind.SNOOZE, spec.name.split(":")[1]
    return SubjectKind.LIST, spec.name


def _audited(spec: ListSpec, number: int, entries: Mapping[str, datetime | None]) -> dict[str, Any] | None:
    if not entries:
        return None
    shown = [{"value": value, "expires_at": entries[value]} for value in sorted(entries)[:MOST_AUDITED]]
    return {"change": number, "field": spec.field, "count": len(entries), "entries": shown}
