"""Comparison of a stored decision with the one that a replay made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from decision_engine.replay.orders import DecidedOrder
from order_contract.decision import Decision
from order_contract.feature_values import features_json


class Difference(NamedTuple):
    """A field of a decision that is stored with another value than the replay found; None where it is absent."""

    field: str
    stored: object
    replayed: object


def find_differences(order: DecidedOrder, decision: Decision) -> Sequence[Difference]:
    """The fields that differ: status, outcome, risk_score, hits and features; none when the decisions are identical."""
    recorded = order.decision
    hits, features = orjson.dumps(decision.hits).decode(), features_json(decision.features)
    stored = recorded.status, recorded.outcome, recorded.risk_score, recorded.hits, recorded.features
    replayed = decision.status, decision.outcome, decision.risk_score, hits, features
    if stored == replayed:
        return ()
    names = "status", "outcome", "risk_score"
    found = [Difference(*each) for each in zip(names, stored, replayed, strict=False) if each[1] != each[2]]
    if recorded.hits != hits:
        found += _hits(orjson.loads(recorded.hits), orjson.loads(hits))
    if recorded.features != features:
        found += _members("features", orjson.loads(recorded.features), orjson.loads(features))
    return found


def _hits(stored: Sequence[Mapping[str, Any]], replayed: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    before, after = ({hit["rule"]: hit for hit in hits} for hits in (stored, replayed))
    if before.keys() == after.keys() and list(before) != list(after):
        yield Difference("hits", list(before), list(after))
    for rule in {**before, **after}:
        if rule not in before or rule not in after:
            yield Difference(f"hits.{rule}", before.get(rule), after.get(rule))
        else:
            yield from _members(f"hits.{rule}", before[rule], after[rule])


def _members(prefix: str, stored: Mapping[str, Any], replayed: Mapping[str, Any]) -> Iterator[Difference]:
    """The members that differ; 1 and 1.0 are different."""
    for name in {**stored, **replayed}:
        before, after = stored.get(name), replayed.get(name)
        if (name in stored) != (name in replayed) or orjson.dumps(before) != orjson.dumps(after):
            yield Difference(f"{prefix}.{name}", before, after)
