"""Verification of stored features: each value is computed again from the stored orders, by SQL, and compared.

A feature's value is the aggregate over the other stored orders with the same key, an event time in (t - window, t], and
an offset below what had been seen in their partition. An order counts as labelled by the newest of its labels whose
offset is below what had been seen in its partition of topic labels. SQL gives counts and exact sums; averages and
deviations are the same division and root of them as the detector's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import compress
from typing import Any, Final, NamedTuple

import asyncpg
import orjson

from decision_engine.history.declaration import ATTRIBUTE, OVER_NUMBERS, SECOND, Aggregate, HistoryFeature
from decision_engine.history.reader import deviation
from decision_engine.history.stream_features import HISTORY_SINCE, TOO_LATE
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from order_contract.event import OrderEvent, event_from_columns

_RANDOM_ORDERS: Final = """
    select order_id, ruleset_version, features::text from orders
    where seen is not null and not exists (
        select from seen_labels(seen) as saw, unnest(saw.offsets) with ordinality as label (next_offset, number)
        where label.next_offset > coalesce((
            select max(next_offset) from group_positions
            where topic = $2 and epoch = saw.epoch and partition = label.number - 1
        ), 0)
    )
    order by random() limit $1
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


async def verify_features(
    connection: asyncpg.Connection[asyncpg.Record], sample: int, labels_topic: str
) -> Verification:
    """Compute the history features of randomly chosen stored orders again.

    Orders that saw labels which are not stored yet are left out.
    """
    rows = await connection.fetch(_RANDOM_ORDERS, sample, labels_topic)
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
        since = stored.get(HISTORY_SINCE)
        computed = await compute_features(
            connection,
            row["order_id"],
            ruleset.features,
            since and datetime.fromisoformat(since),
            labels_topic=labels_topic,
        )
        orders += 1
        values += len(computed)
        differences += [
            Difference(row["order_id"], name, stored.get(name), value)
            for name, value in computed.items()
            if stored.get(name) != value
        ]
    return Verification(orders, values, too_late, sorted(set(versions) - rulesets.keys()), differences)


async def compute_features(
    connection: asyncpg.Connection[asyncpg.Record],
    order_id: str,
    features: Sequence[HistoryFeature],
    since: datetime | None = None,
    *,
    labels_topic: str = "labels",
) -> dict[str, object]:
    """The values of features for a stored order, from the other stored orders; from those after `since` when given."""
    computed: dict[str, object] = {}
    for feature in features:
        window = timedelta(microseconds=feature.window)
        arguments = order_id, window, since, labels_topic, feature.label
        if feature.condition is None:
            record = await connection.fetchrow(_aggregates_query(feature), *arguments)
            aggregates = None if record is None else Aggregates(*record.values())
        else:
            aggregates = _aggregate(feature, await connection.fetch(_orders_query(feature), *arguments))
        computed[feature.name] = None if aggregates is None else _value(feature, aggregates)
    return computed


class Aggregates(NamedTuple):
    """What a feature's value is computed from: aggregates over the other orders, and the order's own value and time."""

    orders: int
    labelled: int
    distinct: int
    """Of labelled orders alone, where the feature is of those."""
    total: Decimal | int | None
    squares: Decimal | int | None
    least: int | None
    greatest: int | None
    first: datetime | None
    last: datetime | None
    own_value: int | None
    own_time: datetime


def _aggregates_query(feature: HistoryFeature) -> str:
    """The aggregates for one order; no row when it lacks a field of the key."""
    field, is_number = f"other.{feature.field}", feature.aggregate in OVER_NUMBERS
    text = field if feature.field else "null"
    of_labelled = f"filter (where {_IS_LABELLED})" if feature.aggregate is Aggregate.LABEL_DISTINCT else ""
    numbers = f"sum({field}::numeric), sum({field}::numeric * {field}), min({field}), max({field})"
    found = f"""
        select count(*), count(*) filter (where {_IS_LABELLED}), count(distinct {text}) {of_labelled},
            {numbers if is_number else "null, null, null, null"},
            min(other.created_date), max(other.created_date)
    """
    return _query(feature, found, f"found.*, {_own_value(feature)}, own.created_date")


def _orders_query(feature: HistoryFeature) -> str:
    """The other orders for one order, with its own value and time; one row without an order when there are none."""
    names = ", ".join(f"other.{name}" for name in OrderEvent._fields)
    return _query(
        feature, f"select {_IS_LABELLED} as is_labelled, {names}", f"{_own_value(feature)}, own.created_date, found.*"
    )


# A chargeback counts as fraud.
_IS_LABELLED: Final = "replace(newest.label, 'chargeback', 'fraud') = $5"


def _own_value(feature: HistoryFeature) -> str:
    return f"own.{feature.field}" if feature.aggregate in OVER_NUMBERS else "null"


def _query(feature: HistoryFeature, found: str, selected: str) -> str:
    field = f"other.{feature.field}"
    conditions = [
        *(f"{_column('other', name)} = {_column('own', name)}" for name in feature.key),
        *(["other.currency = own.currency"] if feature.is_money else ()),
        *([f"{field} is not null"] if feature.field else ()),
    ]
    return f"""
        select {selected} from (
            select orders.*, seen_offsets(seen, source_partition, source_offset) as offsets,
                saw.epoch as label_epoch, saw.offsets as label_offsets
            from orders, seen_labels(seen) as saw where order_id = $1
            offset 0  -- so that the offsets are decoded once, and not for every other order
        ) as own left join lateral (
            {found}
            from orders as other left join lateral (
                select label from labels
                where labels.order_id = other.order_id and labels.topic = $4 and (
                    labels.epoch < own.label_epoch or labels.epoch = own.label_epoch
                    and labels."offset" < coalesce(own.label_offsets[labels.partition + 1], 0)
                )
                order by labels.epoch desc, labels."offset" desc, labels.partition desc limit 1
            ) as newest on $5::text is not null
            where {" and ".join(conditions)}
                and other.order_id <> own.order_id and other.source_topic = own.source_topic
                and other.created_date > greatest(own.created_date - $2::interval, $3::timestamptz)
                and other.created_date <= own.created_date
                and (other.source_epoch < own.source_epoch or other.source_epoch = own.source_epoch
                    and other.source_offset < coalesce(own.offsets[other.source_partition + 1], 0))
        ) as found on true
        where {" and ".join(f"{_column('own', name)} is not null" for name in feature.key)}
    """  # noqa: S608  (names of declared fields)


def _column(table: str, name: str) -> str:
    """A field of the key; an attribute, as JSON, counts when it is text or an integer."""
    if not name.startswith(ATTRIBUTE):
        return f"{table}.{name}"
    literal = "'" + name.removeprefix(ATTRIBUTE).replace("'", "''") + "'"
    attribute = f"({table}.attributes -> {literal})::text"
    return f"case when {attribute} ~ '^(\"|-?[0-9]+$)' then {attribute} end"


def _aggregate(feature: HistoryFeature, rows: Sequence[asyncpg.Record]) -> Aggregates | None:
    """The aggregates over the orders for which the feature's condition holds."""
    if not rows:
        return None
    own_value, own_time = rows[0][:2]
    orders = [(event_from_columns(columns), labelled) for _, _, labelled, *columns in rows if columns[0] is not None]
    orders = [order for order in orders if feature.condition is None or feature.condition(order[0])]
    events = [event for event, _ in orders]
    times = sorted(event.created_date for event in events)
    values: list[Any] = [getattr(event, feature.field) for event in events] if feature.field else []
    is_counted = [labelled is True or feature.aggregate is not Aggregate.LABEL_DISTINCT for _, labelled in orders]
    texts = set(compress(values, is_counted))
    numbers: list[int] = values if feature.aggregate in OVER_NUMBERS else []
    return Aggregates(
        orders=len(events),
        labelled=sum(labelled is True for _, labelled in orders),
        distinct=len(texts),
        total=sum(numbers),
        squares=sum(number * number for number in numbers),
        least=min(numbers, default=None),
        greatest=max(numbers, default=None),
        first=times[0] if times else None,
        last=times[-1] if times else None,
        own_value=own_value,
        own_time=own_time,
    )


def _value(feature: HistoryFeature, found: Aggregates) -> object:  # noqa: PLR0911  (one return per aggregate)
    match feature.aggregate:
        case Aggregate.COUNT:
            return found.orders
        case Aggregate.LABEL_COUNT:
            return found.labelled
        case Aggregate.DISTINCT | Aggregate.LABEL_DISTINCT:
            return found.distinct
        case Aggregate.SUM:
            return int(found.total or 0)
        case Aggregate.MINIMUM:
            return found.least
        case Aggregate.MAXIMUM:
            return found.greatest
        case Aggregate.SECONDS_SINCE_FIRST:
            return found.first and _seconds(found.own_time - found.first)
        case Aggregate.SECONDS_SINCE_LAST:
            return found.last and _seconds(found.own_time - found.last)
    if not found.orders:
        return None
    total = int(found.total or 0)
    match feature.aggregate:
        case Aggregate.LABEL_SHARE:
            return found.labelled / found.orders
        case Aggregate.AVERAGE:
            return total / found.orders
        case Aggregate.RATIO_TO_AVERAGE:
            return (found.own_value or 0) * found.orders / total if total else None
    return deviation(found.orders, total, int(found.squares or 0)) if found.orders > 1 else None


def _seconds(elapsed: timedelta) -> float:
    return elapsed // timedelta(microseconds=1) / SECOND
