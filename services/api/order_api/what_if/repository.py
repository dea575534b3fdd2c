"""SQL of what-if: rulesets, and the stored orders, labels and list entries that concern one order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import asyncpg
import orjson

from decision_engine.history.declaration import ATTRIBUTE
from order_contract.event import OrderEvent, event_from_columns
from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor

MOST_ORDERS: Final = 20_000
_COLUMNS: Final = ", ".join(OrderEvent._fields)
_NEWEST_VERSION: Final = (
    "select ruleset_version from orders where created_date <= now() order by created_date desc, order_id desc limit 1"
)
_LABELS: Final = """
    select distinct on (order_id) order_id, label, epoch, "offset", partition from labels
    where order_id = any($1::text[]) and topic = $2
    order by order_id, epoch desc, "offset" desc, partition desc
"""


class Key(NamedTuple):
    """One or two fields or attributes, an order's values of them, and how far back orders with the same are wanted."""

    names: tuple[str, ...]
    values: tuple[str | int, ...]
    window: timedelta


class NewestLabel(NamedTuple):
    """The current label of an order, and its rank."""

    order_id: str
    label: str
    epoch: int
    offset: int
    partition: int


async def read_newest_version(database: QueryExecutor) -> str | None:
    """The ruleset version that decided the newest order; None before the first order."""
    row = await database.fetchrow(_NEWEST_VERSION)
    return None if row is None else str(row[0])


async def read_orders(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
    topic: str,
    event: OrderEvent,
    key: Key,
    longest: timedelta,
) -> Sequence[OrderEvent]:
    """The newest stored orders with the same key up to the order's time, one more than MOST_ORDERS at most.

    Within a transaction. Raises asyncpg.QueryCanceledError after the longest time; the transaction can be used on.
    """
    arguments = QueryArguments()
    conditions = [
        f"source_topic = {arguments.add(topic)}",
        f"created_date > {arguments.add(event.created_date - key.window)}",
        f"created_date <= {arguments.add(event.created_date)}",
        f"order_id <> {arguments.add(event.order_id)}",
        *(_condition(arguments, name, value) for name, value in zip(key.names, key.values, strict=True)),
    ]
    query = f"""
        select {_COLUMNS} from orders where {" and ".join(conditions)}
        order by created_date desc, order_id desc limit {MOST_ORDERS + 1:d}
    """  # noqa: S608  (our own column names)
    async with connection.transaction():  # a savepoint
        await connection.execute(f"set local statement_timeout = {int(longest.total_seconds() * 1_000):d}")
        rows = await connection.fetch(query, *arguments.values)
    return [event_from_columns(tuple(row)) for row in rows]


def _condition(arguments: QueryArguments, name: str, value: str | int) -> str:
    if name.startswith(ATTRIBUTE):
        # As JSON: text "5" and number 5 are two values.
        path = arguments.add(name.removeprefix(ATTRIBUTE))
        return f"(attributes -> {path}::text)::text = {arguments.add(orjson.dumps(value).decode())}"
    return f"{name} = {arguments.add(value)}"


async def read_labels(database: QueryExecutor, topic: str, order_ids: Collection[str]) -> Sequence[NewestLabel]:
    """The current labels of these orders."""
    rows: list[Any] = await database.fetch(_LABELS, list(order_ids), topic)
    return [NewestLabel(*row) for row in rows]
