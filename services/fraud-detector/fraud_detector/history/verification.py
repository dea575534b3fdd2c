"""Verification of stored features: those of randomly chosen orders are computed again by SQL, and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final

import asyncpg
import orjson

from decision_engine.history.stream_features import HISTORY_SINCE, TOO_LATE
from decision_engine.ruleset import Ruleset
from fraud_detector.history.recomputation import compute_features, features_by_key
from fraud_detector.history.stored_rulesets import read_accepted_rulesets

ORDERS_AT_ONCE: Final = 1_000

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


Report = Callable[[int, int], None]
"""Called with the number of completed steps and their total."""


async def verify_features(
    connection: asyncpg.Connection[asyncpg.Record],
    sample: int,
    labels_topic: str,
    report: Report = lambda done, total: None,
) -> Verification:
    """Compute the history features of randomly chosen stored orders again.

    Orders that saw labels which are not stored yet are left out.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(_RANDOM_ORDERS, sample, labels_topic)
        versions = sorted({row["ruleset_version"] for row in rows})
        rulesets = await read_accepted_rulesets(connection, versions)
        stored = {
            row["order_id"]: (row["ruleset_version"], orjson.loads(row["features"]))
            for row in rows
            if row["ruleset_version"] in rulesets
        }
        too_late = [order_id for order_id, (_, features) in stored.items() if features.get(TOO_LATE)]
        for order_id in too_late:
            del stored[order_id]
        computed = await _compute(connection, stored, rulesets, labels_topic, report)
    differences = [
        Difference(order_id, name, stored[order_id][1].get(name), value)
        for order_id, values in computed.items()
        for name, value in values.items()
        if stored[order_id][1].get(name) != value
    ]
    values = sum(map(len, computed.values()))
    return Verification(len(stored), values, len(too_late), sorted(set(versions) - rulesets.keys()), differences)


async def _compute(
    connection: asyncpg.Connection[asyncpg.Record],
    stored: dict[str, tuple[str, dict[str, Any]]],
    rulesets: dict[str, Ruleset],
    labels_topic: str,
    report: Report,
) -> dict[str, dict[str, object]]:
    """The values of all features of stored orders, each by its ruleset's declarations."""
    samples = []
    for version, ruleset in rulesets.items():
        decided = [
            (order_id, features.get(HISTORY_SINCE) and datetime.fromisoformat(features[HISTORY_SINCE]))
            for order_id, (decided_by, features) in stored.items()
            if decided_by == version
        ]
        samples += [
            (dict(decided[start : start + ORDERS_AT_ONCE]), ruleset.features)
            for start in range(0, len(decided), ORDERS_AT_ONCE)
        ]
    total = sum(len(features_by_key(features)) for _, features in samples)
    done = count(1)
    computed: dict[str, dict[str, object]] = {}
    for since, features in samples:
        computed |= await compute_features(
            connection, since, features, labels_topic=labels_topic, computed_key=lambda: report(next(done), total)
        )
    return computed
