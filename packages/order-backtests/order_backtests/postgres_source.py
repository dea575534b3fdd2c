"""Past orders of Postgres in the sequence of their own time, with their labels and the changes of lists."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from decision_engine.lists import EntryChange
from order_contract.event import OrderEvent
from order_contract.label import Label
from order_lists.repository import read_changes
from order_platform.postgres.fetch_ahead import fetch_ahead

ROWS_AT_ONCE: Final = 5_000
COUNTS_AT_MOST: Final = 200
"""Statements that count the orders of a span."""

_HOUR: Final = timedelta(hours=1)

_DECIDED: Final = "source_topic = $1 and created_date >= $2 and created_date < $3"
_HOURS: Final = f"select date_trunc('hour', created_date), count(*) from orders where {_DECIDED} group by 1"  # noqa: S608
_FIRST_AND_LAST: Final = f"select min(created_date), max(created_date) from orders where {_DECIDED}"  # noqa: S608
_COLUMNS: Final = ", ".join((*OrderEvent._fields, "outcome"))
_IN_SEQUENCE: Final = f"from orders where {_DECIDED} order by created_date, order_id"
_ORDERS: Final = f"select {_COLUMNS}, null {_IN_SEQUENCE}"
_RECORDED_ORDERS: Final = f"select {_COLUMNS}, features {_IN_SEQUENCE}"
_LABELS: Final = """
    select labels.order_id, labels.label, labels.labelled_at
    from labels join orders using (order_id)
    where labels.topic = $1 and source_topic = $2 and created_date >= $3 and created_date < $4
    order by labels.epoch, labels."offset", labels.partition
"""
_CHANGE_TIMES: Final = "select number, changed_at from list_changes order by number"


class Span(NamedTuple):
    """Stored orders of a topic that were created from `since` on, before `until`."""

    topic: str
    since: datetime
    until: datetime


class PastLabel(NamedTuple):
    """A label of an order, and when its verdict was made."""

    labelled_at: datetime
    order_id: str
    label: Label


class Labels(NamedTuple):
    """The labels of a span of orders: all of them by time, and the current one of each order."""

    by_time: Sequence[PastLabel]
    current: Mapping[str, Label]


class ListChange(NamedTuple):
    """A change of lists, with its number."""

    changed_at: datetime
    number: int
    entries: Sequence[EntryChange]


async def count_by_hour(connection: asyncpg.Connection[asyncpg.Record], span: Span) -> Sequence[tuple[datetime, int]]:
    """The number of orders of each hour that has any, in the sequence of time.

    It counts some hours at a time. One statement over a million orders keeps a core busy for a second, and Postgres
    knows no priorities; so it has pauses at least, when this process of a low priority has to wait.
    """
    ((first, last),) = await connection.fetch(_FIRST_AND_LAST, *span)
    if first is None:
        return []
    hours = math.ceil((last - first) / _HOUR / COUNTS_AT_MOST) or 1
    counts: Counter[datetime] = Counter()
    while first <= last:
        following = first + hours * _HOUR
        part = Span(span.topic, first, min(following, span.until))
        for hour, count in await connection.fetch(_HOURS, *part):
            counts[hour] += count
        first = following
    return sorted(counts.items())


async def read_orders(
    connection: asyncpg.Connection[asyncpg.Record], span: Span, *, with_features: bool = False
) -> AsyncGenerator[Sequence[asyncpg.Record]]:
    """The orders in the sequence of their time, some rows at once, within a transaction.

    A row has the columns of the event, the outcome, and the features that were recorded, as JSON or null.
    """
    cursor = await connection.cursor(_RECORDED_ORDERS if with_features else _ORDERS, *span)
    async with aclosing(fetch_ahead(cursor, ROWS_AT_ONCE)) as fetched:
        async for rows in fetched:
            yield rows


async def read_labels(connection: asyncpg.Connection[asyncpg.Record], span: Span, labels_topic: str) -> Labels:
    """The labels of the orders."""
    rows = await connection.fetch(_LABELS, labels_topic, *span)
    found = [PastLabel(labelled_at, order_id, Label(label)) for order_id, label, labelled_at in rows]
    current = {each.order_id: each.label for each in found}  # the last one on the topic
    return Labels(sorted(found, key=lambda each: each.labelled_at), current)


async def read_list_changes(connection: asyncpg.Connection[asyncpg.Record]) -> Sequence[ListChange]:
    """All changes of lists, in their sequence."""
    times = {row[0]: row[1] for row in await connection.fetch(_CHANGE_TIMES)}
    return [
        ListChange(times[members.number], members.number, members.entries)
        for members in await read_changes(connection, 0)
    ]
