"""History features computed again by SQL, from the stored orders alone.

A feature's value is the aggregate over the other stored orders with the same key, an event time in (t - window, t], and
an offset below what had been seen in their partition. An order counts as labelled by the newest of its labels whose
offset is below what had been seen in its partition of topic labels. SQL gives counts and exact sums; averages and
deviations are the same division and root of them as the detector's.

One query computes all features of a key for many orders, so each order of the key is read once. Conditions are those of
the engine: they are asked once per order that may count, and the query gets the ids of those for which they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import asyncpg

from decision_engine.history.declaration import ATTRIBUTE, SECOND, Aggregate, HistoryFeature
from decision_engine.history.reader import deviation
from fraud_detector.history.loader import needed_columns
from order_contract.event import OrderEvent, event_from_columns
from order_platform.postgres.fetch_ahead import fetch_ahead

ROWS_AT_ONCE: Final = 5_000

_FIRST_COUNTING: Final = 4
"""The parameter with the ids of the orders for which the first condition holds."""


async def compute_features(
    connection: asyncpg.Connection[asyncpg.Record],
    since: Mapping[str, datetime | None],
    features: Sequence[HistoryFeature],
    *,
    labels_topic: str = "labels",
    computed_key: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, object]]:
    """The values of features for stored orders, from the other stored orders.

    `since` has the ids of the orders, each with the time after which others count, None when all do. Calls
    `computed_key` after each of `features_by_key`. To be called in a transaction with one snapshot.
    """
    computed: dict[str, dict[str, object]] = {order_id: {} for order_id in since}
    for of_key in features_by_key(features):
        conditions = {each.where: each.condition for each in of_key if each.condition is not None}
        arguments: list[object] = [list(since), list(since.values()), labels_topic]
        arguments += await _find_counting(connection, of_key, conditions, arguments)
        found = {row[0]: row for row in await connection.fetch(_values_query(of_key, [*conditions]), *arguments)}
        for order_id, values in computed.items():
            if order_id in found:
                _, own_time, *aggregates = found[order_id]
                each = iter(aggregates)
                values.update((feature.name, _value(feature, own_time, each)) for feature in of_key)
            else:  # it lacks a field of the key
                values.update((feature.name, None) for feature in of_key)
        computed_key()
    return computed


def features_by_key(features: Sequence[HistoryFeature]) -> list[list[HistoryFeature]]:
    """The features in groups that have the same key."""
    key = attrgetter("key")
    return [list(group) for _, group in groupby(sorted(features, key=key), key)]


async def _find_counting(
    connection: asyncpg.Connection[asyncpg.Record],
    features: Sequence[HistoryFeature],
    conditions: Mapping[str | None, Callable[[OrderEvent], bool]],
    arguments: Sequence[object],
) -> list[list[str]]:
    """The ids of the orders for which each of these conditions holds, of the orders that may count."""
    counting: list[list[str]] = [[] for _ in conditions]
    if not conditions:
        return counting
    conditional = [feature for feature in features if feature.condition is not None]
    query = f"""
        with {_own(features)} select orders.order_id, {", ".join(needed_columns(conditional))}
        from orders where {_may_count(features)}
    """  # noqa: S608  (names of declared fields)
    # The third parameter is the topic of labels, for which this query has no use.
    cursor = await connection.cursor(query, *arguments[:2])
    async with aclosing(fetch_ahead(cursor, ROWS_AT_ONCE)) as fetched:
        async for rows in fetched:
            for order_id, *columns in rows:
                event = event_from_columns(columns)
                for found, holds in zip(counting, conditions.values(), strict=True):
                    if holds(event):
                        found.append(order_id)
    return counting


def _values_query(features: Sequence[HistoryFeature], conditions: Sequence[str | None]) -> str:
    """One row per order that has the key: its id, its time, and the aggregates of all features."""
    key = features[0].key
    names = sorted({feature.field for feature in features if feature.field})
    aggregates = [each for feature in features for each in _aggregates(feature, _counts(feature, conditions))]
    selected = ", ".join(f"{aggregate} as value{number}" for number, aggregate in enumerate(aggregates))
    return f"""
        with {_own(features)},
        other as materialized (
            select order_id, created_date, currency, source_topic, source_epoch, source_partition, source_offset,
                exists (select from labels where labels.order_id = orders.order_id and topic = $3) as has_labels,
                {_columns(key, names)}
            from orders where {_may_count(features)}
        ),
        found as (
            select own.order_id, {selected}
            from own join other on {" and ".join(f"other.key{number} = own.key{number}" for number in range(len(key)))}
            left join lateral (
                select replace(label, 'chargeback', 'fraud') as label  -- a chargeback counts as fraud
                from labels
                where other.has_labels and labels.order_id = other.order_id and topic = $3 and (
                    epoch < own.label_epoch
                    or epoch = own.label_epoch and "offset" < coalesce(own.label_offsets[partition + 1], 0)
                )
                order by epoch desc, "offset" desc, partition desc limit 1
            ) as newest on true
            where other.order_id <> own.order_id and other.source_topic = own.source_topic
                and other.created_date > greatest(own.created_date - {_longest_window(features)}, own.since)
                and other.created_date <= own.created_date
                and (other.source_epoch < own.source_epoch or other.source_epoch = own.source_epoch
                    and other.source_offset < coalesce(own.offsets[other.source_partition + 1], 0))
            group by own.order_id
        )
        select own.order_id, own.created_date, {", ".join(f"value{number}" for number in range(len(aggregates)))}
        from own left join found using (order_id)
    """  # noqa: S608  (names of declared fields)


def _own(features: Sequence[HistoryFeature]) -> str:
    """The orders whose values are computed, those that have the key; what they had seen is decoded once."""
    key = features[0].key
    own_values = sorted(
        {each.field for each in features if each.aggregate is Aggregate.RATIO_TO_AVERAGE and each.field}
    )
    return f"""
        own as materialized (
            select order_id, created_date, currency, source_topic, source_epoch, since,
                seen_offsets(seen, source_partition, source_offset) as offsets,
                saw.epoch as label_epoch, saw.offsets as label_offsets, {_columns(key, own_values)}
            from unnest($1::text[], $2::timestamptz[]) as given (order_id, since)
                join orders using (order_id), seen_labels(seen) as saw
            where {" and ".join(f"{_column(name)} is not null" for name in key)}
        )
    """  # noqa: S608


def _may_count(features: Sequence[HistoryFeature]) -> str:
    """The condition for an order that may count for one of `own`."""
    key = features[0].key
    return f"""
        ({", ".join(map(_column, key))}) in (select {", ".join(f"key{number}" for number in range(len(key)))} from own)
        and source_topic in (select source_topic from own)
        and created_date > (select min(created_date) from own) - {_longest_window(features)}
        and created_date <= (select max(created_date) from own)
    """  # noqa: S608


def _counts(feature: HistoryFeature, conditions: Sequence[str | None]) -> str:
    """The condition for an order of `other` that counts in the feature's value."""
    tests = [f"other.created_date > own.created_date - {_interval(feature.window)}"]
    if feature.is_money:
        tests.append("other.currency = own.currency")
    if feature.field:
        tests.append(f"other.field_{feature.field} is not null")
    if feature.condition is not None:
        tests.append(f"other.order_id = any(${_FIRST_COUNTING + conditions.index(feature.where)}::text[])")
    return " and ".join(tests)


def _aggregates(feature: HistoryFeature, counts: str) -> list[str]:
    """The aggregates from which the feature's value is made: see `_value`."""
    field, counting = f"other.field_{feature.field}", f"filter (where {counts})"
    labelled = f"filter (where {counts} and newest.label = '{feature.label}')"
    orders, total = f"count(*) {counting}", f"sum({field}::numeric) {counting}"
    return {
        Aggregate.COUNT: [orders],
        Aggregate.SUM: [total],
        Aggregate.AVERAGE: [orders, total],
        Aggregate.MINIMUM: [f"min({field}) {counting}"],
        Aggregate.MAXIMUM: [f"max({field}) {counting}"],
        Aggregate.DEVIATION: [orders, total, f"sum({field}::numeric * {field}) {counting}"],
        Aggregate.DISTINCT: [f"count(distinct {field}) {counting}"],
        Aggregate.SECONDS_SINCE_FIRST: [f"min(other.created_date) {counting}"],
        Aggregate.SECONDS_SINCE_LAST: [f"max(other.created_date) {counting}"],
        Aggregate.RATIO_TO_AVERAGE: [orders, total, f"min(own.field_{feature.field})"],
        Aggregate.LABEL_COUNT: [f"count(*) {labelled}"],
        Aggregate.LABEL_SHARE: [orders, f"count(*) {labelled}"],
        Aggregate.LABEL_DISTINCT: [f"count(distinct {field}) {labelled}"],
    }[feature.aggregate]


def _value(feature: HistoryFeature, own_time: datetime, found: Iterator[Any]) -> object:  # noqa: PLR0911
    """The feature's value from its aggregates, the next of `found`; those are None when no order may count."""
    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.SUM | Aggregate.DISTINCT | Aggregate.LABEL_COUNT | Aggregate.LABEL_DISTINCT:
            return int(next(found) or 0)
        case Aggregate.MINIMUM | Aggregate.MAXIMUM:
            return next(found)
        case Aggregate.SECONDS_SINCE_FIRST | Aggregate.SECONDS_SINCE_LAST:
            other_time = next(found)
            return other_time and (own_time - other_time) // timedelta(microseconds=1) / SECOND
        case Aggregate.AVERAGE:
            orders, total = next(found), next(found)
            return int(total) / orders if orders else None
        case Aggregate.DEVIATION:
            orders, total, squares = next(found), next(found), next(found)
            return deviation(orders, int(total), int(squares)) if orders and orders > 1 else None
        case Aggregate.RATIO_TO_AVERAGE:
            orders, total, own_value = next(found), next(found), next(found)
            return own_value * orders / int(total) if total else None
        case Aggregate.LABEL_SHARE:
            orders, labelled = next(found), next(found)
            return labelled / orders if orders else None


def _longest_window(features: Sequence[HistoryFeature]) -> str:
    return _interval(max(feature.window for feature in features))


def _interval(window: int) -> str:
    return f"interval '{window} microseconds'"


def _columns(key: Sequence[str], fields: Sequence[str]) -> str:
    """The values of the key, and fields."""
    return ", ".join(
        (
            *(f"{_column(name)} as key{number}" for number, name in enumerate(key)),
            *(f"orders.{name} as field_{name}" for name in fields),
        )
    )


def _column(name: str) -> str:
    """A field of the key; an attribute, as JSON, counts when it is text or an integer."""
    if not name.startswith(ATTRIBUTE):
        return f"orders.{name}"
    literal = "'" + name.removeprefix(ATTRIBUTE).replace("'", "''") + "'"
    attribute = f"(orders.attributes -> {literal})::text"
    return f"case when {attribute} ~ '^(\"|-?[0-9]+$)' then {attribute} end"
