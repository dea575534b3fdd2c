"""Loading histories from Postgres: what a detector that starts knows of the orders before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import asyncpg
import structlog

from decision_engine.expression import names_in
from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.next_features import NextFeatures
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.history.stored_events import StoredEvent, read_events
from fraud_detector.labels.postgres_orders import LabelSource, OrderSource, load_labels
from fraud_detector.stream.pace import FULL_SPEED, Pace
from fraud_detector.stream.postgres_connection import connected, errors_as_unavailable
from fraud_detector.stream.recent_orders import RecentOrders
from order_contract.event import OrderEvent
from order_platform.gc_tuning import paused_collector

log = structlog.get_logger()

KEYS_AT_ONCE = 500
LOGGED_EVERY = 500_000
LATEST_IDS = 100_000

_NEWEST = "select max(created_date) from orders where source_topic = $1"
_LATEST_IDS = """
    select array_agg(order_id order by created_date, order_id) from (
        select order_id, created_date from orders where source_topic = $1
        order by created_date desc, order_id desc limit $2
    ) as latest
"""


async def load_history(
    database_url: str,
    features: Sequence[HistoryFeature],
    *,
    topic: str,
    epoch: int,
    heartbeat: Callable[[], None],
    pace: Pace = FULL_SPEED,
    most_bytes: int | None = None,
    labels: LabelSource | None = None,
) -> StreamFeatures:
    """Read all orders of a topic that the features can still see, in one snapshot of the database.

    With `labels`, their labels, too.

    Raises DependencyUnavailableError.
    """
    async with _snapshot(database_url) as connection:
        history = StreamFeatures(features, most_bytes=most_bytes, label_epoch=labels.epoch if labels else 1)
        newest: datetime | None = await connection.fetchval(_NEWEST, topic)
        if newest is not None:
            history.advance_time(newest)
        loading = _Loading(history, partial(_count, history, epoch), heartbeat, pace)
        await loading.read(connection, _query(features), topic, history.kept_since)
        if labels is not None:
            orders = OrderSource(topic, epoch, needed_columns(features))
            await load_labels(connection, history, orders, labels, heartbeat=heartbeat, pace=pace)
        return history


async def load_missing(
    database_url: str,
    history: StreamFeatures,
    following: NextFeatures,
    *,
    topic: str,
    epoch: int,
    heartbeat: Callable[[], None],
    pace: Pace,
) -> None:
    """Load the stored orders that newly prepared histories lack, while orders are being decided.

    Raises DependencyUnavailableError; some orders have been counted by then, so prepare the histories again.
    """
    async with _snapshot(database_url) as connection:
        loading = _Loading(history, partial(_count_missing, following, epoch), heartbeat, pace)
        await loading.read(connection, _query(following.missing), topic, following.kept_since)


async def load_recent(
    database_url: str,
    recent: RecentOrders,
    *,
    topic: str,
    heartbeat: Callable[[], None],
    pace: Pace = FULL_SPEED,
    most: int = LATEST_IDS,
) -> None:
    """Note the latest orders of a topic, by their times, at most `most`.

    Raises DependencyUnavailableError.
    """
    with errors_as_unavailable():
        async with connected(database_url, "fraud-detector", command_timeout=None) as connection:
            order_ids: list[str] | None = await connection.fetchval(_LATEST_IDS, topic, most)
    for start in range(0, len(order_ids or ()), pace.rows_at_once):
        since = time.perf_counter()
        for order_id in (order_ids or [])[start : start + pace.rows_at_once]:
            recent.note(order_id)
        heartbeat()
        await pace.pause(since)


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


class _Loading:
    """Counts stored orders; the histories keep no more than they may."""

    def __init__(
        self,
        history: StreamFeatures,
        count: Callable[[Sequence[StoredEvent]], None],
        heartbeat: Callable[[], None],
        pace: Pace,
    ) -> None:
        self._history = history
        self._count = count
        self._heartbeat = heartbeat
        self._pace = pace
        self._orders = self._logged = 0
        self._to_check: float = LOGGED_EVERY

    async def read(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        query: str,
        topic: str,
        since: datetime,
    ) -> None:
        """Count the orders of a query."""
        await read_events(connection, query, topic, since, rows_at_once=self._pace.rows_at_once, process=self._process)
        log.info("history_loaded", orders=self._orders, offsets=dict(self._history.next_offsets))

    async def _process(self, events: Sequence[StoredEvent]) -> None:
        since = time.perf_counter()
        self._count(events)
        self._heartbeat()
        self._orders += len(events)
        if self._orders - self._logged >= LOGGED_EVERY:
            self._logged = self._orders
            log.info("history_loading", orders=self._orders)
        await self._pace.pause(since)
        if self._orders >= self._to_check:
            for number, _ in enumerate(self._history.forget()):  # no more than may be kept
                if number % KEYS_AT_ONCE == 0:
                    await asyncio.sleep(0)
            self._to_check = self._orders + max(LOGGED_EVERY, self._orders * self._history.free_share / 2)


def _count(history: StreamFeatures, epoch: int, stored: Sequence[StoredEvent]) -> None:
    """Count the orders of this topic and of earlier ones of the name."""
    read: dict[int, int] = {}
    events = []
    for event, source_epoch, partition, offset in stored:
        if source_epoch > epoch:
            continue
        events.append(event)
        if source_epoch == epoch and offset >= read.get(partition, 0):
            read[partition] = offset + 1
    history.load(events)
    for partition, next_offset in read.items():
        history.advance(partition, next_offset)


def _count_missing(following: NextFeatures, epoch: int, stored: Sequence[StoredEvent]) -> None:
    """Count the orders that were read before the histories were prepared."""
    next_offsets = following.next_offsets
    following.load(
        [
            event
            for event, source_epoch, partition, offset in stored
            if source_epoch < epoch or (source_epoch == epoch and offset < next_offsets.get(partition, 0))
        ]
    )


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
