"""What must hold in a simulation, whatever failed: for each commit, and for what is stored at the end."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson

from decision_engine.evaluate import evaluate
from decision_engine.features import ROLLOUT, RecordedFeatures
from decision_engine.hashed_share import hashed_share
from decision_engine.replay.orders import Partition, PlacedLabel
from decision_engine.replay.replayer import KnownPast, Replayer
from decision_engine.ruleset import Ruleset
from order_contract.decision import DECISION_COLUMNS, OrderRow, decision_columns
from order_contract.decision_record import encode_decision
from order_contract.label import Label, LabelEvent
from order_contract.label_record import decode_label
from order_contract.seen import decode_seen, decode_seen_labels
from simulation.fakes import FakeBroker, FakeDatabase
from simulation.members import EPOCH, RULESETS
from tests.support.past_decisions import MemoryOrderLog, decided_order

PARTITIONS = 3


class CheckedBroker(FakeBroker):
    """A broker that holds every commit against what is recorded and published at that moment."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__(PARTITIONS)
        self._database = database

    def commit(self, partition: int, offset: int) -> None:
        assert offset >= self.committed.get(partition, 0), f"{partition} was committed backwards to {offset}"
        published = {order_id for order_id, _ in self.decisions}
        for before in range(offset):
            outcome = self._database.outcome((partition, before))
            assert outcome, f"{partition}/{before} was committed without an outcome"
            if outcome == ["stored"]:
                assert self._order_of((partition, before)) in published, f"{partition}/{before} committed unpublished"
            if outcome[0] in {"conflict", "dead-letter"}:
                assert (partition, before) in self.dead_letters, f"{partition}/{before} committed, not dead-lettered"
        super().commit(partition, offset)

    def append_decisions(self, orders: Sequence[OrderRow]) -> None:
        for row in orders:
            stored = self._database.orders.get(row.order_id)
            assert stored is not None, f"{row.order_id} was published before it was stored"
            assert encode_decision(row) == encode_decision(stored), f"{row.order_id}: published and stored differ"
        super().append_decisions(orders)

    def _order_of(self, origin: tuple[int, int]) -> str | None:
        for row in self._database.orders.values():
            if (row.source_partition, row.source_offset) == origin:
                return row.order_id
        return None


def verify_features(database: FakeDatabase, broker: FakeBroker) -> None:
    """Every stored value is the aggregate over the other stored orders that had been seen, and its version agrees."""
    rows = list(database.orders.values())
    for row in rows:
        if row.seen is None:  # decided without histories
            assert not RULESETS[row.ruleset_version].features
            assert orjson.loads(row.features).keys() == {"hour"}
            continue
        seen = decode_seen(row.seen, row.source_partition, row.source_offset)
        seen += [0] * (PARTITIONS - len(seen))
        others = [
            other
            for other in rows
            if other is not row
            and other.user_id == row.user_id
            and other.source_offset < seen[other.source_partition]
            and row.created_date - timedelta(hours=2) < other.created_date <= row.created_date
        ]
        ruleset = RULESETS[row.ruleset_version]
        features = orjson.loads(row.features)
        rollout = features.get(ROLLOUT)
        other_ruleset = None if rollout is None else RULESETS[rollout["other_version"]]
        assert {ruleset.version, *([other_ruleset.version] if other_ruleset else [])} <= database.rulesets
        labels = _labels_seen(broker, row.seen)
        counted = [labels.get(other.order_id) for other in others]
        expected = {
            "orders": len(others),
            "pieces": sum(other.quantity for other in others),
            "frauds": counted.count("fraud"),
            "legitimate": counted.count("legitimate"),
            "share": counted.count("fraud") / len(others) if others else None,
        }
        own = _features_of(ruleset, {"hour": features["hour"], **expected})
        assert features == (own if rollout is None else {**own, ROLLOUT: rollout}), (row, seen, others)
        decided = decision_columns(evaluate(row.event(), RecordedFeatures(features), ruleset))
        assert decided == tuple(getattr(row, name) for name in DECISION_COLUMNS)
        if rollout is not None and other_ruleset is not None:
            theirs = _features_of(other_ruleset, {"hour": features["hour"], **expected})
            alternative = evaluate(row.event(), RecordedFeatures(theirs), other_ruleset)
            assert (rollout["other_outcome"], rollout["other_risk_score"]) == (
                alternative.outcome,
                alternative.risk_score,
            )
            shares = {
                version: hashed_share(row.user_id, version) * 100
                for version in (ruleset.version, other_ruleset.version)
            }
            by_candidate = shares[ruleset.version] < rollout["percent"]
            assert by_candidate or shares[other_ruleset.version] >= rollout["percent"], row


def _features_of(ruleset: Ruleset, known: Mapping[str, Any]) -> dict[str, Any]:
    names = {"hour", *(feature.name for feature in ruleset.features)}
    return {name: value for name, value in known.items() if name in names}


def verify_replay(database: FakeDatabase, broker: FakeBroker) -> None:
    """Every stored decision is made again, to the bit, from what is stored."""
    orders = [decided_order(row) for row in database.orders.values()]
    labels = {
        Partition(1, number): [_placed(message.offset, decode_label(message.value, EPOCH)) for message in log]
        for number, log in enumerate(broker.labels)
    }
    past = KnownPast(RULESETS, labels, {partition: len(log) for partition, log in labels.items()})
    for own in range(PARTITIONS):
        replayer = Replayer(past, MemoryOrderLog(orders))
        for order in sorted(orders, key=lambda order: order.offset):
            if order.partition.number == own:
                assert replayer.compare(order) == (), order


def _placed(offset: int, event: LabelEvent) -> PlacedLabel:
    return PlacedLabel(offset, event.order_id, event.label)


def _labels_seen(broker: FakeBroker, seen: bytes) -> dict[str, str]:
    """What each order's newest label says, of those below the offsets that had been seen."""
    decoded = decode_seen_labels(seen)
    newest: dict[str, str] = {}
    for partition, next_offset in enumerate(decoded.next_offsets if decoded else ()):
        for message in broker.labels[partition][:next_offset]:
            event = decode_label(message.value, EPOCH)
            newest[event.order_id] = "legitimate" if event.label is Label.LEGITIMATE else "fraud"
    return newest
