"""The SQL about orders, users, statistics and marts; that about keys and sessions is in credential_queries.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, cast
from uuid import UUID

import asyncpg

from order_api.database import Reads
from order_api.orders.criteria import Criteria, Position
from order_api.orders.stored import DeadLetter, StoredOrder
from order_contract.decision import OrderRow, Outcome, Status
from order_platform.postgres.sql_builder import QueryArguments

_COLUMNS: Final = ", ".join((*OrderRow._fields, "stored_at"))
# Listings do without attributes: a page of large ones would not fit into memory.
_LISTED: Final = _COLUMNS.replace("attributes", "null::json as attributes")

_ORDERS_BY_ID: Final = f"select {_COLUMNS} from orders where order_id = any($1)"  # noqa: S608  (names of ours only)
_DEAD_LETTERS_BY_ID: Final = """
    select distinct on (order_id) order_id, topic, partition, "offset", epoch, error_type, error, recorded_at
    from stream_outcomes
    where order_id = any($1) and outcome = 'dead-letter'
    order by order_id, recorded_at desc
"""


def _stored(record: asyncpg.Record) -> StoredOrder:
    *values, stored_at = record
    return StoredOrder(OrderRow(*values), stored_at)


async def orders(database: Reads, order_ids: Sequence[str]) -> dict[str, StoredOrder]:
    """Those of `order_ids` that are stored, with everything about them."""
    return {record["order_id"]: _stored(record) for record in await database.fetch(_ORDERS_BY_ID, order_ids)}


async def dead_letters(database: Reads, order_ids: Sequence[str]) -> dict[str, DeadLetter]:
    """The newest dead letter of each of `order_ids` that has one."""
    return {record["order_id"]: DeadLetter(*record) for record in await database.fetch(_DEAD_LETTERS_BY_ID, order_ids)}


_FLAGGED_OUTCOMES: Final = frozenset({Outcome.REVIEW, Outcome.DECLINE})
# What index orders_by_user holds beside the user: conditions on it need no look at the table.
_HELD_BY_USER: Final = {
    "outcome": "outcome = {}",
    "currency": "currency = {}",
    "min_amount": "amount >= {}",
    "max_amount": "amount <= {}",
}
_TIMES: Final = {"created_from": "created_date >= {}", "created_to": "created_date < {}"}
# A search goes through the index of the first of these that is asked for, else through all orders by time.
_SCOPES: Final = {"user_id": "user_id = {}", "device_id": "device_id = {}", "ip_address": "ip_address = {}"}
_UNINDEXED: Final = {
    "product_id": "product_id = {}",
    "rule": "{} = any(rule_ids)",
    "country": "country = {}",
    "payment_method": "payment_method = {}",
}
_CONDITIONS: Final = {**_SCOPES, **_UNINDEXED, **_HELD_BY_USER, **_TIMES}
# Word for word what index orders_flagged is for.
_FLAGGED: Final = "outcome <> 'approve'"
_NEWEST_FIRST: Final = "order by created_date desc, order_id desc"


def _flagged_condition(criteria: Criteria) -> str | None:
    """The condition on flagged orders, or on the others; an order's status follows from its outcome."""
    if criteria.flagged or criteria.outcome in _FLAGGED_OUTCOMES or criteria.status == Status.FRAUD:
        return _FLAGGED
    return "outcome = 'approve'" if criteria.status == Status.GENUINE else None


def _places(arguments: QueryArguments, after: Position | None, edge: Position | None) -> list[str]:
    """Conditions on where in a listing an order is: after one place, and not beyond another."""
    return [
        f"(created_date, order_id) {operator} ({arguments.add(place.created_date)}, {arguments.add(place.order_id)})"
        for operator, place in (("<", after), (">=", edge))
        if place is not None
    ]


def page_statement(
    criteria: Criteria, after: Position | None, count: int, edge: Position | None = None
) -> tuple[str, list[object]]:
    """The statement for a page up to `edge`, made of just the conditions that are asked for, and its arguments."""
    arguments = QueryArguments()
    conditions = [*arguments.conditions(criteria, _CONDITIONS), *_places(arguments, after, edge)]
    if flagged := _flagged_condition(criteria):
        conditions.append(flagged)
    found = f"orders where {' and '.join(conditions)}" if conditions else "orders"
    newest = f"{_NEWEST_FIRST} limit {count:d}"
    if criteria.user_id is not None:
        # Index orders_by_user alone tells which of a user's orders were flagged: looking all of them up in the table
        # took 220 ms for 100,000 orders.
        found = f"orders where order_id in (select order_id from {found} {newest})"  # noqa: S608
    return f"select {_LISTED} from {found} {newest}", arguments.values  # noqa: S608


def edge_statement(criteria: Criteria, after: Position | None, rows: int) -> tuple[str, list[object]] | None:
    """The statement for where a search through `rows` rows ends; None when an index answers all of the criteria.

    It reads an index alone, 1 to 2 ms for 10,000 rows.
    """
    scope = next((name for name in _SCOPES if getattr(criteria, name) is not None), None)
    answered = {scope, *_TIMES}
    if scope == "user_id":
        answered |= {*_HELD_BY_USER, "flagged", "status"}
    elif scope is None and criteria.status != Status.GENUINE:
        answered |= {"flagged", "status"}
    if all(getattr(criteria, name) is None for name in Criteria.__slots__ if name not in answered):
        return None
    arguments = QueryArguments()
    templates = _TIMES if scope is None else {scope: _SCOPES[scope], **_TIMES}
    conditions = [*arguments.conditions(criteria, templates), *_places(arguments, after, None)]
    flagged = _flagged_condition(criteria)
    if scope is None and flagged == _FLAGGED:
        conditions.append(flagged)
    where = f"where {' and '.join(conditions)}" if conditions else ""
    statement = f"select created_date, order_id from orders {where} {_NEWEST_FIRST} offset {rows - 1:d} limit 1"  # noqa: S608
    return statement, arguments.values


async def search_edge(database: Reads, criteria: Criteria, after: Position | None, rows: int) -> Position | None:
    """Where a search through the next `rows` rows ends; None when it reaches the end of the listing."""
    wanted = edge_statement(criteria, after, rows)
    if wanted is None:
        return None
    statement, arguments = wanted
    record = await database.fetchrow(statement, *arguments)
    return None if record is None else Position(*record)


async def page(
    database: Reads, criteria: Criteria, after: Position | None, count: int, edge: Position | None = None
) -> list[StoredOrder]:
    """Up to `count` orders that meet the criteria, newest first, from `after` on and not beyond `edge`."""
    statement, arguments = page_statement(criteria, after, count, edge)
    return [_stored(record) for record in await database.fetch(statement, *arguments)]


class Group(NamedTuple):
    """Orders of a window that have outcome, currency and hits in common."""

    outcome: str
    currency: str
    rule_ids: list[str] | None
    orders: int
    amount: int


class FlaggedUser(NamedTuple):
    """How often a user was flagged in a window."""

    user_id: str
    flagged: int


# One pass over the window; whatever is asked about it is added up from these few groups.
_GROUPS: Final = """
    select outcome, currency, rule_ids, count(*) as orders, sum(amount) as amount
    from orders
    where created_date >= $1 and created_date < $2
    group by outcome, currency, rule_ids
"""
_FLAGGED_USERS: Final = """
    select user_id, count(*) as flagged
    from orders
    where outcome <> 'approve' and created_date >= $1 and created_date < $2
    group by user_id
    order by flagged desc, user_id
    limit $3
"""
_STREAM_OUTCOMES: Final = "select outcome, count(*) as messages from stream_outcomes group by outcome"


async def groups(database: Reads, start: datetime, end: datetime) -> list[Group]:
    """The orders created from `start` until before `end`, counted and added up."""
    records = await database.fetch(_GROUPS, start, end)
    return [Group(*record)._replace(amount=int(record["amount"])) for record in records]


async def flagged_users(database: Reads, start: datetime, end: datetime, count: int) -> list[FlaggedUser]:
    """The users flagged most often in the window."""
    return [FlaggedUser(*record) for record in await database.fetch(_FLAGGED_USERS, start, end, count)]


async def stream_outcomes(database: Reads) -> dict[str, int]:
    """Messages that became no order, by what became of them."""
    return {record["outcome"]: record["messages"] for record in await database.fetch(_STREAM_OUTCOMES)}


class UserGroup(NamedTuple):
    """A user's orders that have outcome and currency in common."""

    outcome: str
    currency: str
    orders: int
    amount: int
    first: datetime
    last: datetime


class Use(NamedTuple):
    """Orders with a payment method from a device."""

    payment_method: str
    device_id: str | None
    orders: int


# Of all orders only what index orders_by_user holds: 40 ms for 100,000 of them.
_USER_GROUPS: Final = """
    select outcome, currency, count(*), sum(amount), min(created_date), max(created_date)
    from orders
    where user_id = $1
    group by outcome, currency
"""
_USER_USES: Final = """
    select payment_method, device_id, count(*)
    from (
        select payment_method, device_id
        from orders
        where user_id = $1
        order by created_date desc, order_id desc
        limit 1000
    ) as newest
    group by payment_method, device_id
"""


async def user_groups(database: Reads, user_id: str) -> list[UserGroup]:
    """All of a user's orders, counted and added up; nothing when there are none."""
    groups = [UserGroup(*record) for record in await database.fetch(_USER_GROUPS, user_id)]
    return [group._replace(amount=int(group.amount)) for group in groups]


async def user_uses(database: Reads, user_id: str) -> list[Use]:
    """What the user's newest 1,000 orders were paid with and placed from."""
    return [Use(*record) for record in await database.fetch(_USER_USES, user_id)]


class PublishedMart(NamedTuple):
    """A mart in schema `marts`; `columns` are (name, type in Postgres, description)."""

    name: str
    description: str
    rows: int
    complete: bool
    publication: UUID
    published_at: datetime
    columns: list[tuple[str, str, str]]


_MARTS: Final = """
    select m.name, m.description, m.rows, m.complete, m.publication, m.published_at,
        array_agg(array[a.attname, format_type(a.atttypid, null), coalesce(col_description(c.oid, a.attnum), '')]
            order by a.attnum) as columns
    from published_marts as m
        join pg_class as c on c.relnamespace = 'marts'::regnamespace and c.relname = m.name
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attname <> 'position'
    group by m.name
    order by m.name
"""


async def marts(database: Reads) -> list[PublishedMart]:
    """All published marts."""
    records = await database.fetch(_MARTS)
    return [
        PublishedMart(*record)._replace(columns=[(column[0], column[1], column[2]) for column in record["columns"]])
        for record in records
    ]


def _selected(name: str, kind: str) -> str:
    """A column, as it is answered."""
    match kind:
        case "numeric":  # JSON has no numbers of other kinds
            return f'"{name}"::float8 as "{name}"'
        case "timestamp without time zone":  # business time
            return f'"{name}" at time zone \'Asia/Jakarta\' as "{name}"'
        case _:
            return f'"{name}"'


async def mart_rows(database: Reads, mart: PublishedMart, after: int, count: int) -> list[dict[str, object]]:
    """Up to `count` rows of a mart that come after a position."""
    names = ", ".join(_selected(name, kind) for name, kind, _ in mart.columns)
    statement = f'select {names} from marts."{mart.name}" where position > $1 order by position limit $2'  # noqa: S608
    return [dict(record) for record in await database.fetch(statement, after, count)]


_RULESETS: Final = "select version, content from rulesets where version <> all($1)"


async def rulesets(database: Reads, known: Sequence[str]) -> list[tuple[str, str]]:
    """Version and content of the rulesets that decided orders, but for those that are known."""
    return [(record["version"], record["content"]) for record in await database.fetch(_RULESETS, known)]


_PUBLICATION: Final = "select publication from published_marts where name = $1"


async def publication_of(database: Reads, name: str) -> UUID | None:
    """Which publication of a mart is there now."""
    record = await database.fetchrow(_PUBLICATION, name)
    return None if record is None else cast("UUID", record["publication"])


async def ping(database: Reads) -> None:
    """Whether the tables can be read."""
    await database.fetchrow("select from orders limit 1")
