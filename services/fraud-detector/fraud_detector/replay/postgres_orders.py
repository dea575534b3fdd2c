"""Stored orders of Postgres, for a replay: read by server-side cursors in the snapshot of its transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import date, datetime
from typing import Any, Final

import asyncpg

from decision_engine.history.declaration import HistoryFeature
from decision_engine.replay.orders import Partition, StoredDecision
from decision_engine.ruleset import Ruleset
from fraud_detector.history.loader import needed_columns
from fraud_detector.replay.sources import SourceOrder, Wanted
from order_contract.event import OrderEvent, event_from_columns
from order_platform.postgres.fetch_ahead import fetch_ahead

ROWS_AT_ONCE: Final = 5_000

_DECIDED: Final = "source_topic = $1 and created_date >= $2 and created_date < $3"
_EARLIER: Final = "source_topic = $1 and created_date > $2 and created_date < $3"
_VERSIONS: Final = f"select ruleset_version, count(*) from orders where {_DECIDED} group by 1"  # noqa: S608
_DATES: Final = f"""
    select (created_date at time zone 'Asia/Jakarta')::date, count(*) from orders where {_EARLIER} group by 1
"""  # noqa: S608
_PLACE: Final = "source_epoch, source_partition, source_offset"
_DECISION: Final = "seen, lists_seen, status, outcome, risk_score, hits::text, features::text, ruleset_version"
_EVENT: Final = ", ".join(OrderEvent._fields)
_EVENT_FIELDS: Final = len(OrderEvent._fields)


class PostgresOrders:
    """The OrderSource in Postgres; to be used in a transaction with one snapshot."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def count_versions(self, wanted: Wanted) -> Mapping[str, int]:
        rows = await self._connection.fetch(_VERSIONS, wanted.topic, wanted.since, wanted.until)
        return dict(map(tuple, rows))

    async def count_dates(self, wanted: Wanted, since: datetime) -> Mapping[date, int]:
        rows = await self._connection.fetch(_DATES, wanted.topic, since, wanted.until)
        return dict(map(tuple, rows))

    async def read_decided(
        self,
        wanted: Wanted,
        rulesets: Mapping[str, Ruleset],
    ) -> AsyncGenerator[list[SourceOrder], None]:
        query = f"select {_EVENT}, {_PLACE}, {_DECISION} from orders where {_DECIDED}"  # noqa: S608
        async with aclosing(self._rows(query, wanted.topic, wanted.since, wanted.until)) as parts:
            async for rows in parts:
                yield [_decided(tuple(row)) for row in rows]

    async def read_earlier(
        self, wanted: Wanted, since: datetime, features: Sequence[HistoryFeature]
    ) -> AsyncGenerator[list[SourceOrder], None]:
        # With the id, by which labels are found.
        columns = ", ".join(["orders.order_id", *needed_columns(features)[1:]])
        query = f"select {columns}, {_PLACE}, features::text = '{{}}' from orders where {_EARLIER}"  # noqa: S608
        async with aclosing(self._rows(query, wanted.topic, since, wanted.since)) as parts:
            async for rows in parts:
                yield [_earlier(tuple(row)) for row in rows]

    async def _rows(self, query: str, *arguments: object) -> AsyncGenerator[Sequence[asyncpg.Record], None]:
        async with aclosing(fetch_ahead(await self._connection.cursor(query, *arguments), ROWS_AT_ONCE)) as fetched:
            async for rows in fetched:
                yield rows


def _decided(row: tuple[Any, ...]) -> SourceOrder:
    epoch, number, offset, *decision = row[_EVENT_FIELDS:]
    stored = StoredDecision(*decision)
    return SourceOrder(
        Partition(epoch, number), offset, event_from_columns(row[:_EVENT_FIELDS]), stored, stored.is_erased
    )


def _earlier(row: tuple[Any, ...]) -> SourceOrder:
    epoch, number, offset, is_erased = row[_EVENT_FIELDS:]
    return SourceOrder(Partition(epoch, number), offset, event_from_columns(row[:_EVENT_FIELDS]), None, is_erased)
