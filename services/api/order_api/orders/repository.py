"""SQL about orders: by id, and in pages."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from order_api.kit.pagination import read_cursor, read_time, write_cursor, write_time
from order_api.orders.filters import CONDITIONS, FLAGGED, Criteria, IndexUse, flagged_condition
from order_contract.decision import OrderRow, Status
from order_contract.event import readable_id
from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor

# How many rows are searched for a page for filters that no index answers: 10,000 took 5 ms, all 400,000 took 55 ms. A
# page that is not full by then says how far it looked, and its cursor continues the search.
SEARCHED_ROWS: Final = 10_000


class CurrentLabel(NamedTuple):
    """The newest label of an order."""

    label: str
    source: str
    author: str | None
    labelled_at: datetime
    reason: str | None


class StoredOrder(NamedTuple):
    """A row of table `orders`, and the order's newest label."""

    row: OrderRow
    stored_at: datetime
    label: CurrentLabel | None


class DeadLetteredOrder(NamedTuple):
    """The dead letter that an order's message became."""

    order_id: str
    topic: str
    partition: int
    offset: int
    epoch: int
    error_type: str | None
    error: str | None
    recorded_at: datetime


Recorded = StoredOrder | DeadLetteredOrder

_COLUMNS: Final = ", ".join((*OrderRow._fields, "stored_at"))
# Listings do without attributes: a page of large ones would not fit into memory.
_LISTED: Final = _COLUMNS.replace("attributes", "null::json as attributes")

# For each order of a page once it is found, by index labels_by_order.
_NEWEST_LABEL: Final = """
    left join lateral (
        select label, source, author, labelled_at, reason from labels
        where labels.order_id = found.order_id
        order by epoch desc, "offset" desc, partition desc limit 1
    ) as newest on true
"""
_LABEL_WIDTH: Final = len(CurrentLabel._fields)

ORDERS_BY_ID: Final = f"""
    select found.*, newest.* from (select {_COLUMNS} from orders where order_id = any($1)) as found {_NEWEST_LABEL}
"""  # noqa: S608  (our own names only)
_DEAD_LETTERS_BY_ID: Final = """
    select distinct on (order_id) order_id, topic, partition, "offset", epoch, error_type, error, recorded_at
    from stream_outcomes
    where order_id = any($1) and outcome = 'dead-letter' and topic <> $2
    order by order_id, recorded_at desc
"""
_RULESETS: Final = "select version, content from rulesets where version <> all($1)"
_NEWEST_FIRST: Final = "order by created_date desc, order_id desc"


async def find_orders(database: QueryExecutor, order_ids: Sequence[str]) -> dict[str, StoredOrder]:
    """Those of `order_ids` that are stored, with everything about them."""
    return {record["order_id"]: read_stored_order(record) for record in await database.fetch(ORDERS_BY_ID, order_ids)}


async def find_dead_letters(
    database: QueryExecutor, labels_topic: str, order_ids: Sequence[str]
) -> dict[str, DeadLetteredOrder]:
    """The newest dead letter of each of `order_ids` that has one; those of labels are about orders, and none."""
    records = await database.fetch(_DEAD_LETTERS_BY_ID, order_ids, labels_topic)
    return {record["order_id"]: DeadLetteredOrder(*record) for record in records}


async def read_rulesets(database: QueryExecutor, known: Sequence[str]) -> list[tuple[str, str]]:
    """Version and content of the rulesets that decided orders, except for those that are known."""
    return [(record["version"], record["content"]) for record in await database.fetch(_RULESETS, known)]


class Position(NamedTuple):
    """The place of an order in a listing."""

    created_date: datetime
    order_id: str


def write_position(position: Position, criteria: Criteria) -> str:
    """The cursor for the page that comes after `position`."""
    return write_cursor(criteria.values, write_time(position.created_date), position.order_id)


def read_position(cursor: str, criteria: Criteria) -> Position:
    """The position in a cursor. Raises CursorUnknown for one that was not written for these criteria."""

    def parse(microseconds: int, order_id: str) -> Position:
        if readable_id(order_id) is None:
            raise ValueError("is not the id of an order")
        return Position(read_time(microseconds), order_id)

    return read_cursor(cursor, criteria.values, parse)


class Page(NamedTuple):
    """Some orders, newest first, and the cursor for those after them; None when these are the last.

    `searched_to` is where the search paused, None when it came to an end.
    """

    orders: Sequence[StoredOrder]
    next: str | None
    searched_to: datetime | None = None


async def read_page(
    database: QueryExecutor, criteria: Criteria, after: Position | None, limit: int, searched_rows: int = SEARCHED_ROWS
) -> Page:
    """Up to `limit` orders that meet the criteria, from `after` on, as far as one request searches."""
    # Before the page is read: what is stored between the two statements is newer than `edge`, so nothing is skipped.
    edge = await _find_edge(database, criteria, after, searched_rows)
    # One more than asked for shows whether there is a next page.
    statement, arguments = page_statement(criteria, after, limit + 1, edge)
    orders = [read_stored_order(record) for record in await database.fetch(statement, *arguments)]
    if len(orders) > limit:
        last = orders[limit - 1].row
        return Page(orders[:limit], write_position(Position(last.created_date, last.order_id), criteria))
    if edge is None:
        return Page(orders, None)
    return Page(orders, write_position(edge, criteria), edge.created_date)


def page_statement(
    criteria: Criteria, after: Position | None, count: int, edge: Position | None = None
) -> tuple[str, list[object]]:
    """The statement for a page up to `edge`, made of just the conditions that are asked for, and its arguments."""
    arguments = QueryArguments()
    conditions = [*_conditions(arguments, criteria, CONDITIONS), *_position_conditions(arguments, after, edge)]
    if flagged := flagged_condition(criteria):
        conditions.append(flagged)
    found = f"orders where {' and '.join(conditions)}" if conditions else "orders"
    newest = f"{_NEWEST_FIRST} limit {count:d}"
    if criteria.get("user_id") is not None:
        # Index orders_by_user alone tells which of a user's orders were flagged: looking all of them up in the table
        # took 220 ms for 100,000 orders.
        found = f"orders where order_id in (select order_id from {found} {newest})"  # noqa: S608
    page = f"select {_LISTED} from {found} {newest}"  # noqa: S608
    return f"select found.*, newest.* from ({page}) as found {_NEWEST_LABEL} {_NEWEST_FIRST}", arguments.values  # noqa: S608


def edge_statement(criteria: Criteria, after: Position | None, rows: int) -> tuple[str, list[object]] | None:
    """The statement for where a search through `rows` rows ends; None when an index answers all of the criteria.

    It reads an index alone, 1 to 2 ms for 10,000 rows. A search goes through the index of the first filter that has
    its own, else through all orders by time.
    """
    scope = next((name for name in _with_index(IndexUse.OWN) if criteria.get(name) is not None), None)
    answered = {scope, *_with_index(IndexUse.TIME)}
    if scope == "user_id":
        answered |= {*_with_index(IndexUse.BY_USER), "flagged", "status"}
    elif scope is None and criteria.get("status") != Status.GENUINE:
        answered |= {"flagged", "status"}
    if criteria.values.keys() <= answered:
        return None
    arguments = QueryArguments()
    searched = [*([] if scope is None else [scope]), *_with_index(IndexUse.TIME)]
    conditions = [*_conditions(arguments, criteria, searched), *_position_conditions(arguments, after, None)]
    if scope is None and flagged_condition(criteria) == FLAGGED:
        conditions.append(FLAGGED)
    where = f"where {' and '.join(conditions)}" if conditions else ""
    statement = f"select created_date, order_id from orders {where} {_NEWEST_FIRST} offset {rows - 1:d} limit 1"  # noqa: S608
    return statement, arguments.values


async def _find_edge(database: QueryExecutor, criteria: Criteria, after: Position | None, rows: int) -> Position | None:
    """Where a search through the next `rows` rows ends; None when it reaches the end of the listing."""
    edge = edge_statement(criteria, after, rows)
    if edge is None:
        return None
    statement, arguments = edge
    record = await database.fetchrow(statement, *arguments)
    return None if record is None else Position(*record)


def _with_index(index: IndexUse) -> list[str]:
    return [name for name, condition in CONDITIONS.items() if condition.index is index]


def _conditions(arguments: QueryArguments, criteria: Criteria, names: Iterable[str]) -> list[str]:
    return [
        CONDITIONS[name].sql.format(arguments.add(value)) for name in names if (value := criteria.get(name)) is not None
    ]


def _position_conditions(arguments: QueryArguments, after: Position | None, edge: Position | None) -> list[str]:
    """Conditions on the place of an order in a listing: after one position, and not beyond another."""
    return [
        f"(created_date, order_id) {operator} ({arguments.add(place.created_date)}, {arguments.add(place.order_id)})"
        for operator, place in (("<", after), (">=", edge))
        if place is not None
    ]


def read_stored_order(record: asyncpg.Record) -> StoredOrder:
    """The order of a record of ORDERS_BY_ID or of a page."""
    *row, stored_at = record[:-_LABEL_WIDTH]
    label = record[-_LABEL_WIDTH:]
    return StoredOrder(OrderRow._make(row), stored_at, None if label[0] is None else CurrentLabel._make(label))
