"""All SQL of the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from order_api.database import Database
from order_api.orders.criteria import Criteria, Position
from order_api.orders.stored import DeadLetter, Recorded, StoredOrder
from order_contract.decision import OrderRow, Outcome, Status

_COLUMNS: Final = ", ".join((*OrderRow._fields, "stored_at"))
# Listings do without attributes: a page of large ones would not fit into memory.
_LISTED: Final = _COLUMNS.replace("attributes", "null::json as attributes")

_ORDERS_BY_ID: Final = f"select {_COLUMNS} from orders where order_id = any($1)"  # noqa: S608  (names of ours only)
_DEAD_LETTERS_BY_ID: Final = """
    select distinct on (order_id) order_id, topic, partition, "offset", error_type, error, recorded_at
    from stream_outcomes
    where order_id = any($1) and outcome = 'dead-letter'
    order by order_id, recorded_at desc
"""


def _stored(record: asyncpg.Record) -> StoredOrder:
    *values, stored_at = record
    return StoredOrder(OrderRow(*values), stored_at)


async def orders(database: Database, order_ids: Sequence[str]) -> dict[str, StoredOrder]:
    """Those of `order_ids` that are stored, with everything about them."""
    return {record["order_id"]: _stored(record) for record in await database.fetch(_ORDERS_BY_ID, order_ids)}


async def dead_letters(database: Database, order_ids: Sequence[str]) -> dict[str, DeadLetter]:
    """The newest dead letter of each of `order_ids` that has one."""
    return {record["order_id"]: DeadLetter(*record) for record in await database.fetch(_DEAD_LETTERS_BY_ID, order_ids)}


async def recorded(database: Database, order_id: str) -> Recorded | None:
    """What became of an order id: the stored order, else its dead letter."""
    ids = [order_id]
    return (await orders(database, ids)).get(order_id) or (await dead_letters(database, ids)).get(order_id)


_FLAGGED_OUTCOMES: Final = frozenset({Outcome.REVIEW, Outcome.DECLINE})
_CONDITIONS: Final = {
    "user_id": "user_id = {}",
    "product_id": "product_id = {}",
    "rule": "{} = any(rule_ids)",
    "outcome": "outcome = {}",
    "status": "status = {}",
    "country": "country = {}",
    "payment_method": "payment_method = {}",
    "device_id": "device_id = {}",
    "ip_address": "ip_address = {}",
    "currency": "currency = {}",
    "min_amount": "amount >= {}",
    "max_amount": "amount <= {}",
    "created_from": "created_date >= {}",
    "created_to": "created_date < {}",
}


def page_statement(criteria: Criteria, after: Position | None, count: int) -> tuple[str, list[object]]:
    """The statement for a page, made of just the conditions that are asked for, and its arguments."""
    arguments: list[object] = []

    def placeholder(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    conditions = [
        condition.format(placeholder(value))
        for name, condition in _CONDITIONS.items()
        if (value := getattr(criteria, name)) is not None
    ]
    if criteria.flagged or criteria.outcome in _FLAGGED_OUTCOMES or criteria.status == Status.FRAUD:
        conditions.append("outcome <> 'approve'")  # word for word what index orders_flagged is for
    if after is not None:
        place = f"({placeholder(after.created_date)}, {placeholder(after.order_id)})"
        conditions.append(f"(created_date, order_id) < {place}")
    where = f"where {' and '.join(conditions)}" if conditions else ""
    statement = f"select {_LISTED} from orders {where} order by created_date desc, order_id desc limit {count:d}"  # noqa: S608
    return statement, arguments


async def page(database: Database, criteria: Criteria, after: Position | None, count: int) -> list[StoredOrder]:
    """Up to `count` orders that meet the criteria, newest first, from `after` on."""
    statement, arguments = page_statement(criteria, after, count)
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


async def groups(database: Database, start: datetime, end: datetime) -> list[Group]:
    """The orders created from `start` until before `end`, counted and added up."""
    records = await database.fetch(_GROUPS, start, end)
    return [Group(*record)._replace(amount=int(record["amount"])) for record in records]


async def flagged_users(database: Database, start: datetime, end: datetime, count: int) -> list[FlaggedUser]:
    """The users flagged most often in the window."""
    return [FlaggedUser(*record) for record in await database.fetch(_FLAGGED_USERS, start, end, count)]


async def stream_outcomes(database: Database) -> dict[str, int]:
    """Messages that became no order, by what became of them."""
    return {record["outcome"]: record["messages"] for record in await database.fetch(_STREAM_OUTCOMES)}


_FIND_KEY: Final = "select key_id, role from api_keys where key_hash = $1 and revoked_at is null"
INSERT_KEY: Final = "insert into api_keys (key_id, name, role, key_hash) values ($1, $2, $3, $4)"
LIST_KEYS: Final = "select key_id, name, role, created_at, revoked_at from api_keys order by created_at, key_id"
REVOKE_KEY: Final = "update api_keys set revoked_at = now() where key_id = $1 and revoked_at is null returning key_id"


async def find_key(database: Database, key_hash: bytes) -> tuple[str, str] | None:
    """Id and role of the valid key with this hash."""
    record = await database.fetchrow(_FIND_KEY, key_hash)
    return None if record is None else (record["key_id"], record["role"])


async def ping(database: Database) -> None:
    """Whether the tables can be read."""
    await database.fetchrow("select from orders limit 1")
