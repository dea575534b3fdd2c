"""Stored orders of Postgres, for a replay: read in one snapshot of the database, by server-side cursors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from decision_engine.history.declaration import HistoryFeature
from decision_engine.replay.orders import Partition, PlacedLabel
from decision_engine.replay.past_lists import ListEntrySpan
from decision_engine.replay.replayer import KnownPast
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from fraud_detector.history.loader import needed_columns
from fraud_detector.replay.staged_orders import StagedDecision, StagedOrder, StagedOrders
from order_contract.event import OrderEvent, event_from_columns
from order_contract.label import Label

ROWS_AT_ONCE: Final = 5_000

_DECIDED: Final = "source_topic = $1 and created_date >= $2 and created_date < $3"
_EARLIER: Final = "source_topic = $1 and created_date > $2 and created_date < $3"
_VERSIONS: Final = f"select ruleset_version, count(*) from orders where {_DECIDED} group by 1"  # noqa: S608
_RULESETS: Final = "select version, content from rulesets where version = any($1::text[])"
_PLACE: Final = "source_epoch, source_partition, source_offset"
_DECISION: Final = "seen, lists_seen, status, outcome, risk_score, hits::text, features::text, ruleset_version"
_LABELS: Final = f"""
    select labels.epoch, labels.partition, labels."offset", labels.order_id, labels.label
    from labels join orders using (order_id)
    where labels.topic = $4 and {_EARLIER}
    order by labels.epoch, labels.partition, labels."offset"
"""  # noqa: S608
_STORED_LABELS: Final = """
    select epoch, partition, max(next_offset) from group_positions where topic = $1 group by epoch, partition
"""
_LIST_ENTRIES: Final = """
    select name, field, value, expires_at, added_in, removed_in from list_entries join lists on name = list
"""
_RETIRED: Final = """
    select retired_before::timestamp at time zone 'Asia/Jakarta' from retention
    where exists (select from retired_offsets where topic = $1)
"""
_ERASED: Final = "{}"
_EVENT_FIELDS: Final = len(OrderEvent._fields)


class Wanted(NamedTuple):
    """Which stored orders are to be decided again: those of a topic that were created from `since` on, before `until`.

    `labels_topic` is the topic of labels that their features saw.
    """

    topic: str
    labels_topic: str
    since: datetime
    until: datetime


async def stage_orders(
    connection: asyncpg.Connection[asyncpg.Record],
    wanted: Wanted,
    staged: StagedOrders,
    advance: Callable[[int], None],
) -> tuple[KnownPast, int]:
    """Stage the orders of a time and those that their features may have seen.

    Returns what else they may have seen, and the number of orders to decide again. `advance` is called with the number
    of orders that were read. Raises asyncpg's errors.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        topic, labels_topic, since, until = wanted
        versions = {row[0]: row[1] for row in await connection.fetch(_VERSIONS, topic, since, until)}
        rulesets = await _read_rulesets(connection, versions)
        features = [feature for ruleset in rulesets.values() for feature in ruleset.features]
        longest = timedelta(microseconds=max((feature.window for feature in features), default=0))
        reader = _Reader(connection, staged, advance)
        events = ", ".join(OrderEvent._fields)
        await reader.read(f"select {events}, {_PLACE}, {_DECISION} from orders where {_DECIDED}", topic, since, until)  # noqa: S608
        if features:
            columns = ", ".join(_columns_of(features))
            erased = "case when features::text = '{}' then '{}' end"
            await reader.read(
                f"select {columns}, {_PLACE}, {erased} from orders where {_EARLIER}",  # noqa: S608
                topic,
                since - longest,
                since,
            )
        staged.finish()
        past = KnownPast(
            rulesets,
            await _read_labels(connection, wanted, longest) if any(feature.label for feature in features) else {},
            {Partition(*place): offset for *place, offset in await connection.fetch(_STORED_LABELS, labels_topic)},
            [ListEntrySpan(*row) for row in await connection.fetch(_LIST_ENTRIES)],
            await connection.fetchval(_RETIRED, topic),
            sorted(reader.erased),
        )
        return past, sum(versions.values())


async def _read_rulesets(
    connection: asyncpg.Connection[asyncpg.Record], versions: Mapping[str, int]
) -> dict[str, Ruleset]:
    """The rulesets of these versions, but those that this release does not accept."""
    rulesets = {}
    for version, content in await connection.fetch(_RULESETS, list(versions)):
        try:
            rulesets[version] = parse_ruleset(content, version)
        except RulesetError:
            continue  # its orders are counted as not decided again
    return rulesets


async def _read_labels(
    connection: asyncpg.Connection[asyncpg.Record], wanted: Wanted, longest: timedelta
) -> Mapping[Partition, list[PlacedLabel]]:
    labels: dict[Partition, list[PlacedLabel]] = {}
    arguments = wanted.topic, wanted.since - longest, wanted.until, wanted.labels_topic
    async for epoch, partition, offset, order_id, label in connection.cursor(_LABELS, *arguments):
        labels.setdefault(Partition(epoch, partition), []).append(PlacedLabel(offset, order_id, Label(label)))
    return labels


class _Reader:
    """Stages rows of orders: the columns of the event, those of its place, and those of its decision or none."""

    def __init__(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        staged: StagedOrders,
        advance: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._staged = staged
        self._advance = advance
        self.erased: list[datetime] = []

    async def read(self, query: str, *arguments: object) -> None:
        cursor = await self._connection.cursor(query, *arguments)
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            self._staged.add(map(self._order, rows))
            self._advance(len(rows))

    def _order(self, row: asyncpg.Record) -> StagedOrder:
        columns: tuple[Any, ...] = tuple(row)
        event = event_from_columns(columns[:_EVENT_FIELDS])
        epoch, number, offset, *decision = columns[_EVENT_FIELDS:]
        place = Partition(epoch, number), offset
        if len(decision) == 1:
            if decision[0] == _ERASED:
                self.erased.append(event.created_date)
            return *place, event, None
        stored = StagedDecision(*decision)
        if stored.features == _ERASED:
            self.erased.append(event.created_date)
        return *place, event, stored


def _columns_of(features: list[HistoryFeature]) -> list[str]:
    """The columns of an order that features may have seen: its id, by which labels are found, and what they read."""
    return ["orders.order_id", *needed_columns(features)[1:]]
