"""Loading histories from Postgres: what a detector that starts knows of the orders before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from functools import partial

import asyncpg
import structlog
from asyncpg.cursor import Cursor

from decision_engine.expression import names_in
from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.next_features import NextFeatures
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.labels.postgres_orders import LabelSource, OrderSource, load_labels
from fraud_detector.stream.postgres_connection import connected, errors_as_unavailable
from order_contract.event import OrderEvent, event_from_columns
from order_platform.gc_tuning import paused_collector
from order_platform.postgres.fetch_ahead import fetch_ahead

log = structlog.get_logger()

ROWS_AT_ONCE = 10_000
KEYS_AT_ONCE = 500
LOGGED_EVERY = 500_000

_EVENT_FIELDS = len(OrderEvent._fields)
_NEWEST = "select max(created_date) from orders where source_topic = $1"


async def load_history(
    database_url: str,
    features: Sequence[HistoryFeature],
    *,
    topic: str,
    epoch: int,
    heartbeat: Callable[[], None],
    rows_at_once: int = ROWS_AT_ONCE,
    most_bytes: int | None = None,
    labels: LabelSource | None = None,
) -> StreamFeatures:
    """Read all orders of a topic that the features can still see, in one snapshot of the database.

    With `labels`, their labels, too. The event loop is given back after every `rows_at_once` orders.

    Raises DependencyUnavailableError.
    """
    async with _snapshot(database_url) as connection:
        history = StreamFeatures(features, most_bytes=most_bytes, label_epoch=labels.epoch if labels else 1)
        newest: datetime | None = await connection.fetchval(_NEWEST, topic)
        if newest is not None:
            history.advance_time(newest)
        cursor = await connection.cursor(_query(features), topic, history.kept_since)
        await _load(cursor, history, partial(_count, history, epoch), heartbeat, rows_at_once)
        if labels is not None:
            orders = OrderSource(topic, epoch, needed_columns(features))
            await load_labels(connection, history, orders, labels, heartbeat)
        return history


async def load_missing(
    database_url: str,
    history: StreamFeatures,
    following: NextFeatures,
    *,
    topic: str,
    epoch: int,
    heartbeat: Callable[[], None],
    rows_at_once: int,
) -> None:
    """Load the stored orders that newly prepared histories lack, while orders are being decided.

    Raises DependencyUnavailableError; some orders have been counted by then, so prepare the histories again.
    """
    async with _snapshot(database_url) as connection:
        cursor = await connection.cursor(_query(following.missing), topic, following.kept_since)
        await _load(cursor, history, partial(_count_missing, following, epoch), heartbeat, rows_at_once)


@asynccontextmanager
async def _snapshot(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that reads one snapshot of the database, while the garbage collector is paused.

    Raises DependencyUnavailableError.
    """
    with errors_as_unavailable():
        # Reading all orders takes longer than any timeout of a command, and so may forgetting some in between.
        async with (
            connected(database_url, "fraud-detector", command_timeout=None, idle_in_transaction="0") as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            with paused_collector():
                yield connection


async def _load(
    cursor: Cursor[asyncpg.Record],
    history: StreamFeatures,
    count: Callable[[Sequence[asyncpg.Record]], None],
    heartbeat: Callable[[], None],
    rows_at_once: int,
) -> None:
    """Count the orders of all rows; the histories keep no more than they may."""
    orders = logged = 0
    to_check: float = LOGGED_EVERY
    async with aclosing(fetch_ahead(cursor, rows_at_once)) as fetched:
        async for rows in fetched:
            count(rows)
            heartbeat()
            orders += len(rows)
            if orders - logged >= LOGGED_EVERY:
                logged = orders
                log.info("history_loading", orders=orders)
            if orders >= to_check:
                for number, _ in enumerate(history.forget()):  # no more than may be kept
                    if number % KEYS_AT_ONCE == 0:
                        await asyncio.sleep(0)
                to_check = orders + max(LOGGED_EVERY, orders * history.free_share / 2)
    log.info("history_loaded", orders=orders, offsets=dict(history.next_offsets))


def _count(history: StreamFeatures, epoch: int, rows: Sequence[asyncpg.Record]) -> None:
    """Count the orders of rows of `_query` that are of this topic or of an earlier one of the name."""
    read: dict[int, int] = {}
    events = []
    for row in rows:
        source_epoch, partition, offset = row[_EVENT_FIELDS:]
        if source_epoch > epoch:
            continue
        events.append(event_from_columns(row[:_EVENT_FIELDS]))
        if source_epoch == epoch and offset >= read.get(partition, 0):
            read[partition] = offset + 1
    history.load(events)
    for partition, next_offset in read.items():
        history.advance(partition, next_offset)


def _count_missing(following: NextFeatures, epoch: int, rows: Sequence[asyncpg.Record]) -> None:
    """Count the orders of rows of `_query` that were read before the histories were prepared."""
    next_offsets = following.next_offsets
    events = []
    for row in rows:
        source_epoch, partition, offset = row[_EVENT_FIELDS:]
        if source_epoch < epoch or (source_epoch == epoch and offset < next_offsets.get(partition, 0)):
            events.append(event_from_columns(row[:_EVENT_FIELDS]))
    following.load(events)


def needed_columns(features: Sequence[HistoryFeature]) -> list[str]:
    """The columns of an event with the fields that features read; the others are null, and cost nothing."""
    needed = {"created_date", "currency"}
    for feature in features:
        names = (*feature.key, *names_in(feature.where or "True"))
        needed |= {name.partition(".")[0] for name in names} | ({feature.field} if feature.field else set())
    return [f"orders.{name}" if name in needed else f"null as {name}" for name in OrderEvent._fields]


def _query(features: Sequence[HistoryFeature]) -> str:
    return f"""
        select {", ".join(needed_columns(features))}, source_epoch, source_partition, source_offset
        from orders where source_topic = $1 and created_date > $2
    """  # noqa: S608  (our own column names)
