"""Verification of stored features: each value is computed again from the stored orders, by SQL, and compared.

A feature's value is the aggregate over the other stored orders with the same key, an event time in (t - window, t], and
an offset below what had been seen in their partition. SQL gives counts and exact sums; averages and deviations are the
same division and root of them as the detector's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import asyncpg
import orjson

from decision_engine.history.declaration import OVER_NUMBERS, SECOND, Aggregate, HistoryFeature
from decision_engine.history.reader import deviation
from decision_engine.history.stream_features import TOO_LATE
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset

_RANDOM_ORDERS: Final = """
    select order_id, ruleset_version, features::text from orders
    where seen is not null order by random() limit $1
"""
_RULESETS: Final = "select version, content from rulesets where version = any($1::text[])"


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored value that is not what SQL computes from the stored orders."""

    order_id: str
    feature: str
    stored: object
    computed: object


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared: orders with history features, and the values that differ.

    `too_late` orders have none to compare; `unknown` are ruleset versions that could not be read again.
    """

    orders: int
    values: int
    too_late: int
    unknown: Sequence[str]
    differences: Sequence[Difference]


async def verify_features(connection: asyncpg.Connection[asyncpg.Record], sample: int) -> Verification:
    """Compute the history features of randomly chosen stored orders again."""
    rows = await connection.fetch(_RANDOM_ORDERS, sample)
    versions = sorted({row["ruleset_version"] for row in rows})
    rulesets: dict[str, Ruleset] = {}
    for row in await connection.fetch(_RULESETS, versions):
        try:
            rulesets[row["version"]] = parse_ruleset(row["content"], row["version"])
        except RulesetError:
            continue  # written for another release
    orders = values = too_late = 0
    differences: list[Difference] = []
    for row in rows:
        ruleset = rulesets.get(row["ruleset_version"])
        if ruleset is None:
            continue
        stored: dict[str, Any] = orjson.loads(row["features"])
        if stored.get(TOO_LATE):
            too_late += 1
            continue
        computed = await compute_features(connection, row["order_id"], ruleset.features)
        orders += 1
        values += len(computed)
        differences += [
            Difference(row["order_id"], name, stored.get(name), value)
            for name, value in computed.items()
            if stored.get(name) != value
        ]
    return Verification(orders, values, too_late, sorted(set(versions) - rulesets.keys()), differences)


async def compute_features(
    connection: asyncpg.Connection[asyncpg.Record], order_id: str, features: Sequence[HistoryFeature]
) -> dict[str, object]:
    """The values of features for a stored order, from the other stored orders."""
    computed: dict[str, object] = {}
    for feature in features:
        record = await connection.fetchrow(_query(feature), order_id, timedelta(microseconds=feature.window))
        computed[feature.name] = None if record is None else _value(feature, record)
    return computed


def _query(feature: HistoryFeature) -> str:
    """Counts, sums and extremes for one order; no row when it lacks a field of the key."""
    field = f"other.{feature.field}" if feature.field else "null"
    is_number = feature.aggregate in OVER_NUMBERS
    sums = (
        f"sum({field}::numeric) as total, sum({field}::numeric * {field}) as squares"
        if is_number
        else "null as total, null as squares"
    )
    conditions = [
        *(f"other.{name} = own.{name}" for name in feature.key),
        *(["other.currency = own.currency"] if feature.is_money else ()),
        *([f"{field} is not null"] if feature.field else ()),
    ]
    extremes = f"min({field}) as least, max({field}) as greatest" if is_number else "null as least, null as greatest"
    own_value = f"own.{feature.field}" if is_number else "null"
    return f"""
        select found.*, {own_value} as own_value, own.created_date as time from (
            select *, seen_offsets(seen, source_partition, source_offset) as offsets from orders where order_id = $1
        ) as own, lateral (
            select count(*) as count, count(distinct {field}) as distinct_values, {sums}, {extremes},
                min(other.created_date) as first, max(other.created_date) as last
            from orders as other
            where {" and ".join(conditions)}
                and other.order_id <> own.order_id and other.source_topic = own.source_topic
                and other.created_date > own.created_date - $2::interval and other.created_date <= own.created_date
                and (other.source_epoch < own.source_epoch or other.source_epoch = own.source_epoch
                    and other.source_offset < coalesce(own.offsets[other.source_partition + 1], 0))
        ) as found
        where {" and ".join(f"own.{name} is not null" for name in feature.key)}
    """  # noqa: S608  (names of declared fields)


def _value(feature: HistoryFeature, record: asyncpg.Record) -> object:  # noqa: PLR0911  (one return per aggregate)
    count: int = record["count"]
    match feature.aggregate:
        case Aggregate.COUNT:
            return count
        case Aggregate.DISTINCT:
            return record["distinct_values"]
        case Aggregate.SUM:
            return int(record["total"] or 0)
    if not count:
        return None
    match feature.aggregate:
        case Aggregate.MINIMUM:
            return record["least"]
        case Aggregate.MAXIMUM:
            return record["greatest"]
        case Aggregate.SECONDS_SINCE_FIRST:
            return _seconds(record["time"] - record["first"])
        case Aggregate.SECONDS_SINCE_LAST:
            return _seconds(record["time"] - record["last"])
    total = int(record["total"])
    match feature.aggregate:
        case Aggregate.AVERAGE:
            return total / count
        case Aggregate.RATIO_TO_AVERAGE:
            return record["own_value"] * count / total if total else None
    return deviation(count, total, int(record["squares"])) if count > 1 else None


def _seconds(elapsed: timedelta) -> float:
    return elapsed // timedelta(microseconds=1) / SECOND
