"""The orders of labels in Postgres: looked up as labels arrive, and read with the labels of the past at the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from typing import Any, Final, NamedTuple

import asyncpg
import structlog

from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.labels.batch import RecordedLabel
from fraud_detector.labels.labelling import StoredOrder, apply_label
from fraud_detector.labels.postgres_store import APPLICATION_NAME
from fraud_detector.stream.pace import Pace
from fraud_detector.stream.postgres_connection import connected, errors_as_unavailable
from order_contract.event import event_from_columns
from order_contract.label import Label, LabelEvent
from order_contract.origin import Origin
from order_platform.postgres.fetch_ahead import fetch_ahead

log = structlog.get_logger()

_LABEL_WIDTH: Final = 9
_PLACE: Final = "orders.source_topic, orders.source_partition, orders.source_offset, orders.source_epoch"
# Whatever group stores labels, all before its recorded position are in the table.
_NEXT_OFFSETS: Final = """
    select partition, max(next_offset) as next_offset from group_positions
    where topic = $1 and epoch = $2 group by partition
"""
_CURRENT: Final = """
    current as (
        select distinct on (order_id) labels.*
        from labels left join unnest($3::integer[], $4::bigint[]) as stored (partition, next_offset) using (partition)
        where topic = $1 and (epoch < $2 or epoch = $2 and "offset" < stored.next_offset)
        order by order_id, epoch desc, "offset" desc, partition desc
    )
"""
_LABEL_COLUMNS: Final = """
    current.order_id, current.label, current.source, current.labelled_at, current.topic, current.partition,
    current."offset", current.epoch, current.appended_at
"""
_WITHOUT_ORDER: Final = "from current where not exists (select from orders where orders.order_id = current.order_id)"
_WAITING: Final = f"""
    with {_CURRENT}, waiting as (select * {_WITHOUT_ORDER} order by appended_at desc limit $5)
    select {_LABEL_COLUMNS} from waiting as current order by appended_at
"""  # noqa: S608  (our own column names)
_COUNT_WAITING: Final = f"with {_CURRENT} select count(*) {_WITHOUT_ORDER}"


class OrderSource(NamedTuple):
    """Topic and epoch of the orders, and the columns that are read of their events: `history.loader.needed_columns`."""

    topic: str
    epoch: int
    columns: Sequence[str]


class LabelSource(NamedTuple):
    """Topic and epoch of the labels."""

    topic: str
    epoch: int


class PostgresOrders:
    """The StoredOrders of Postgres, read on a connection per look-up: labels are few, and come in bursts."""

    def __init__(self, database_url: str, source: OrderSource) -> None:
        self._database_url = database_url
        self._topic = source.topic
        self._query = f"""
            select orders.order_id, {_PLACE}, {", ".join(source.columns)} from orders
            where order_id = any($1::text[]) and source_topic = $2
        """  # noqa: S608

    async def find(self, order_ids: Collection[str]) -> Sequence[StoredOrder]:
        with errors_as_unavailable():
            async with connected(self._database_url, APPLICATION_NAME) as connection:
                rows = await connection.fetch(self._query, list(order_ids), self._topic)
        return [_stored_order(tuple(row)) for row in rows]


async def load_labels(
    connection: asyncpg.Connection[asyncpg.Record],
    history: StreamFeatures,
    orders: OrderSource,
    labels: LabelSource,
    *,
    heartbeat: Callable[[], None],
    pace: Pace,
) -> None:
    """Apply the labels that are stored to histories that were loaded in the same snapshot.

    Following begins at the offsets up to which labels are stored.
    """
    recorded = await connection.fetch(_NEXT_OFFSETS, *labels)
    next_offsets = {row["partition"]: row["next_offset"] for row in recorded}
    arguments = *labels, list(next_offsets), list(next_offsets.values())
    counting = f"""
        with {_CURRENT}
        select {_LABEL_COLUMNS}, orders.order_id, {_PLACE}, {", ".join(orders.columns)}
        from current join orders using (order_id)
        where orders.source_topic = $5 and orders.source_epoch <= $6 and orders.created_date > $7
    """  # noqa: S608
    count = 0
    for query, more in (
        (counting, (orders.topic, orders.epoch, history.kept_since)),
        (_WAITING, (history.labels.most_pending,)),
    ):
        cursor = await connection.cursor(query, *arguments, *more)
        async with aclosing(fetch_ahead(cursor, pace.rows_at_once)) as fetched:
            async for rows in fetched:
                since = time.perf_counter()
                for row in map(tuple, rows):
                    label, order = _recorded_label(row), row[_LABEL_WIDTH:]
                    history.await_orders((label.event.order_id,))
                    apply_label(history, label, _stored_order(order) if order else None, orders.epoch)
                heartbeat()
                count += len(rows)
                await pace.pause(since)
    if history.labels.pending >= history.labels.most_pending:
        waiting: int = await connection.fetchval(_COUNT_WAITING, *arguments)
        history.labels.count_dropped(max(0, waiting - history.labels.most_pending))
    history.advance_labels(next_offsets)
    log.info("labels_loaded", labels=count, waiting=history.labels.pending, offsets=next_offsets)


def _recorded_label(row: Sequence[Any]) -> RecordedLabel:
    order_id, label, source, at, topic, partition, offset, epoch, appended_at = row[:_LABEL_WIDTH]
    event = LabelEvent(order_id, Label(label), source, None, at, None)
    return RecordedLabel(event, Origin(topic, partition, offset, epoch), appended_at)


def _stored_order(row: Sequence[Any]) -> StoredOrder:
    order_id, topic, partition, offset, epoch, *columns = row
    return StoredOrder(event_from_columns(columns)._replace(order_id=order_id), Origin(topic, partition, offset, epoch))
