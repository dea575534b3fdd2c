"""Staging what a replay needs: orders of a source, and of Postgres the rulesets, labels and list entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from datetime import date, datetime, timedelta
from typing import Final

import asyncpg

from decision_engine.history.declaration import longest_window
from decision_engine.replay.erased_orders import ErasedOrders
from decision_engine.replay.orders import Partition, PlacedLabel
from decision_engine.replay.past_lists import ListEntrySpan
from decision_engine.replay.replayer import KnownPast, TimeSpan
from fraud_detector.history.stored_rulesets import read_accepted_rulesets
from fraud_detector.replay.postgres_orders import PostgresOrders
from fraud_detector.replay.sources import OrderSource, SourceOrder, Wanted
from fraud_detector.replay.staged_orders import StagedOrders
from order_contract.business_time import business_date, business_date_start
from order_contract.label import Label

# Of the orders that are stored, or all: orders that a source holds may be gone from Postgres.
_STORED_ORDERS: Final = """
    where exists (
        select from orders
        where orders.order_id = labels.order_id and source_topic = $2 and created_date > $3 and created_date < $4
    )
"""
_LABELS: Final = """
    select epoch, partition, "offset", order_id, label from (select * from labels {}) as labels
    where topic = $1 order by epoch, partition, "offset"
"""
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
_FROZEN: Final = """
    select partition_start, max(frozen_rows) from warehouse_loads where table_name = 'orders' and frozen_at is not null
    group by partition_start
"""
_ERASED_USERS: Final = "select user_hash from erasures"
_DAY: Final = timedelta(days=1)
_MOMENT: Final = timedelta(microseconds=1)


async def stage(
    connection: asyncpg.Connection[asyncpg.Record],
    source: OrderSource | None,
    wanted: Wanted,
    staged: StagedOrders,
    advance: Callable[[int], None],
) -> tuple[KnownPast, int]:
    """Stage the wanted orders and those that their features may have seen, of Postgres unless `source` is given.

    Returns what else they may have seen, and the number of orders to decide again. `advance` is called with the number
    of orders that were read. Raises asyncpg's errors, and those of the source.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        stored = PostgresOrders(connection)
        orders = source or stored
        versions = await orders.count_versions(wanted)
        rulesets = await read_accepted_rulesets(connection, versions)
        features = [feature for ruleset in rulesets.values() for feature in ruleset.features]
        since = wanted.since - longest_window(features)
        erased: list[datetime] = []

        def add(part: list[SourceOrder]) -> None:
            staged.add((*order[:3], order.decision) for order in part)
            erased.extend(order.event.created_date for order in part if order.is_erased)
            advance(len(part))

        async with aclosing(orders.read_decided(wanted, rulesets)) as parts:
            async for part in parts:
                add(part)
        if features:
            async with aclosing(orders.read_earlier(wanted, since, features)) as parts:
                async for part in parts:
                    add(part)
        staged.finish()
        retired_before = await connection.fetchval(_RETIRED, wanted.topic)
        incomplete: Iterable[TimeSpan] = ()
        if source is not None:
            there, here = await source.count_dates(wanted, since), await stored.count_dates(wanted, since)
            if retired_before is not None:
                # Of a frozen date the number of orders is known, that of the whole date; not where an earlier release
                # froze it: then there are some.
                first, last = business_date(since), business_date(wanted.until - _MOMENT)
                frozen = {day: rows for day, rows in await connection.fetch(_FROZEN) if first <= day <= last}
                whole = wanted._replace(until=business_date_start(last + _DAY))
                counted = await source.count_dates(whole, business_date_start(first) - _MOMENT)
                there = {**there, **{day: counted.get(day, 0) for day in frozen}}
                here = {**here, **{day: there[day] or 1 if rows is None else rows for day, rows in frozen.items()}}
            incomplete = _incomplete_dates(there, here)
            retired_before = None
        has_labels = any(feature.label for feature in features)
        past = KnownPast(
            rulesets,
            await _read_labels(connection, wanted, since, only_stored=source is None) if has_labels else {},
            await _read_stored_labels(connection, wanted.labels_topic),
            [ListEntrySpan(*row) for row in await connection.fetch(_LIST_ENTRIES)],
            retired_before,
            ErasedOrders(sorted(erased), {row[0] for row in await connection.fetch(_ERASED_USERS)}),
            list(incomplete),
        )
        return past, sum(versions.values())


def _incomplete_dates(there: Mapping[date, int], expected: Mapping[date, int]) -> Iterator[TimeSpan]:
    """The dates of which a source has not the expected number of orders."""
    for day, count in expected.items():
        if there.get(day, 0) != count:
            yield TimeSpan(business_date_start(day), business_date_start(day + _DAY))


async def _read_stored_labels(connection: asyncpg.Connection[asyncpg.Record], topic: str) -> Mapping[Partition, int]:
    rows = await connection.fetch(_STORED_LABELS, topic)
    return {Partition(epoch, partition): offset for epoch, partition, offset in rows}


async def _read_labels(
    connection: asyncpg.Connection[asyncpg.Record], wanted: Wanted, since: datetime, *, only_stored: bool
) -> Mapping[Partition, list[PlacedLabel]]:
    labels: dict[Partition, list[PlacedLabel]] = {}
    arguments = (wanted.topic, since, wanted.until) if only_stored else ()
    query = _LABELS.format(_STORED_ORDERS if only_stored else "")
    async for epoch, partition, offset, order_id, label in connection.cursor(query, wanted.labels_topic, *arguments):
        labels.setdefault(Partition(epoch, partition), []).append(PlacedLabel(offset, order_id, Label(label)))
    return labels
