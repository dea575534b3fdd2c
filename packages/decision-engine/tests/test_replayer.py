"""Replays of decisions: what was seen is restored, and every field that differs is found."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import pytest

from decision_engine.evaluate import evaluate
from decision_engine.features import FeatureState
from decision_engine.history.labelled_orders import LabelRank
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import EntryChange, ListFeatures, ListMembers
from decision_engine.replay.comparison import Difference
from decision_engine.replay.erased_orders import ErasedOrders
from decision_engine.replay.merging import merge_by_seen
from decision_engine.replay.orders import DecidedOrder, Partition, PlacedLabel, StoredDecision
from decision_engine.replay.past_lists import ListEntrySpan
from decision_engine.replay.replayer import KnownPast, NotReplayableError, Reason, Replayer
from decision_engine.ruleset import Ruleset, parse_ruleset
from order_contract.decision import decision_columns
from order_contract.event import OrderEvent
from order_contract.label import Label
from order_contract.seen import encode_seen, encode_seen_labels
from tests.support.past_decisions import MemoryOrderLog

START = datetime(2026, 11, 1, tzinfo=UTC)
PARTITIONS = 3
RULES = """
review_at: {review}
decline_at: 90
lists: {{blocked: {{kind: block, field: device_id}}}}
features:
  orders: {{aggregate: count, key: user_id, window: 3h}}
  average: {{aggregate: avg, field: amount, key: device_id, window: 30h}}
  frauds: {{aggregate: label_count, label: fraud, key: user_id, window: 30h}}
  {more}
rules:
  - {{id: many, description: "{{orders}} orders", when: orders > 2, severity: low, score: 30}}
  - {{id: fraud, description: "{{frauds}} frauds", when: frauds > 0, severity: low, score: 30}}
  - {{id: blocked, description: "{{device_id}} is blocked", when: device_id in blocked, severity: high, score: 40}}
"""
RULESETS = {
    ruleset.version: ruleset
    for ruleset in (
        parse_ruleset(RULES.format(review=50, more=""), "first"),
        parse_ruleset(RULES.format(review=60, more=""), "with its features"),
        parse_ruleset(
            RULES.format(review=60, more="pieces: {aggregate: sum, field: quantity, key: user_id, window: 1d}"), "other"
        ),
    )
}


class Past:
    """A made-up past: orders on partitions, labels and changes of lists, and decisions that saw any part of them."""

    def __init__(self, seed: int, orders: int = 60, epochs: int = 1) -> None:
        self.chance = random.Random(seed)
        self.events: dict[Partition, list[tuple[int, OrderEvent]]] = {
            Partition(epoch, number): [] for epoch in range(1, epochs + 1) for number in range(PARTITIONS)
        }
        for number in range(orders):
            log = self.events[Partition(1 + number * epochs // orders, self.chance.randrange(PARTITIONS))]
            log.append((log[-1][0] + self.chance.randrange(1, 3) if log else 0, self._event(number)))
        self.labels: dict[Partition, list[PlacedLabel]] = {}
        for _ in range(orders):
            labels = self.labels.setdefault(Partition(self.chance.randrange(1, 3), self.chance.randrange(2)), [])
            order_id = f"o{self.chance.randrange(orders)}"
            labels.append(PlacedLabel(len(labels), order_id, self.chance.choice(list(Label))))
        self.changes = [
            (
                number,
                EntryChange("blocked", "device_id", f"d{self.chance.randrange(3)}", None, self.chance.random() < 0.6),
            )
            for number in range(1, 10)
        ]

    def _event(self, number: int) -> OrderEvent:
        chance = self.chance
        return OrderEvent(
            f"o{number}", f"u{chance.randrange(3)}", "p", chance.randrange(1, 4), chance.randrange(10**6), "IDR", "OVO",
            "ID", START + timedelta(minutes=20 * number - chance.choice((0, 90))), f"d{chance.randrange(3)}",
            None, None, None, None, None, None,
        )  # fmt: skip

    def spans(self) -> list[ListEntrySpan]:
        spans: list[ListEntrySpan] = []
        for number, change in self.changes:
            current = [each for each in spans if each.value == change.value and each.removed_in is None]
            spans = [each._replace(removed_in=number) if each in current else each for each in spans]
            if change.is_added:
                spans.append(ListEntrySpan("blocked", "device_id", change.value, None, number, None))
        return spans

    def decisions(self) -> Iterator[DecidedOrder]:
        """Decisions of a partition's orders in sequence; of other partitions more or less was seen, by chance."""
        for partition, log in self.events.items():
            for offset, event in log:
                ends = {
                    other.number: self.chance.randrange(each[-1][0] + 2) if each else 0
                    for other, each in self.events.items()
                    if other.epoch == partition.epoch
                }
                yield self._decide(partition, offset, event, ends)

    def _decide(self, partition: Partition, offset: int, event: OrderEvent, ends: dict[int, int]) -> DecidedOrder:
        ruleset = self.chance.choice(list(RULESETS.values()))
        ends[partition.number] = offset
        epoch, label_ends = self.chance.randrange(1, 3), {number: self.chance.randrange(20) for number in range(2)}
        change = self.chance.randrange(10)
        state = self._state(
            ruleset, {Partition(partition.epoch, each): end for each, end in ends.items()}, epoch, label_ends
        )
        if self.chance.random() < 0.2:
            state._set_horizon(event.created_date - timedelta(hours=2))  # as after too much memory
        members = ListMembers()
        for number, entry in self.changes[:change]:
            members.apply(number, [entry])
        members.number = change
        columns = decision_columns(evaluate(event, ListFeatures(state, members, ruleset), ruleset))
        status, outcome, risk_score, hits, _, features, version = columns
        seen = encode_seen(ends, partition.number) + encode_seen_labels(label_ends, epoch)
        decision = StoredDecision(seen, change, status, outcome, risk_score, hits, features, version)
        return DecidedOrder(event, partition, offset, decision)

    def _state(
        self, ruleset: Ruleset, ends: dict[Partition, int], epoch: int, label_ends: dict[int, int]
    ) -> StreamFeatures:
        """A detector's state that read just that, and all of the earlier topics of the name."""
        state = StreamFeatures(ruleset.features, label_epoch=epoch)
        state.await_orders([event.order_id for log in self.events.values() for _, event in log])
        for partition, log in self.events.items():
            for offset, event in log:
                if partition in ends and offset < ends[partition]:
                    state.add(event, partition.number, offset)
                elif partition.epoch < next(iter(ends)).epoch:
                    state.load([event])
                    state.find_labelled_before(event)
        for partition, labels in self.labels.items():
            for label in labels:
                if partition.epoch < epoch or (
                    partition.epoch == epoch and label.offset < label_ends[partition.number]
                ):
                    rank = LabelRank(partition.epoch, label.offset, partition.number)
                    state.apply_label(label.order_id, label.label, rank)
        return state

    def known(self, **known: object) -> KnownPast:
        return KnownPast(RULESETS, self.labels, list_entries=self.spans(), **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(("seed", "epochs"), [(seed, 1 + seed % 2) for seed in range(8)])
def test_a_decision_is_made_again_with_whatever_had_been_seen(seed: int, epochs: int) -> None:
    past = Past(seed, epochs=epochs)
    orders = list(past.decisions())
    replayer = Replayer(past.known(), MemoryOrderLog(orders))
    assert [replayer.compare(order) for order in orders] == [()] * len(orders)
    assert {order.decision.status for order in orders} == {"fraud", "genuine"}
    assert any("history_since" in order.decision.features for order in orders)


def test_what_one_detector_decided_is_decided_again_without_taking_orders_back() -> None:
    past = Past(5)
    (ruleset, *_) = RULESETS.values()
    state, decided, waiting = StreamFeatures(ruleset.features), list[DecidedOrder](), dict(past.events)
    following = dict.fromkeys(waiting, 0)
    while waiting:
        partition = past.chance.choice(list(waiting))
        offset, event = waiting[partition][following[partition]]
        columns = decision_columns(evaluate(event, state, ruleset))
        status, outcome, score, hits, _, features, version = columns
        seen = state.seen(partition.number)
        decided.append(
            DecidedOrder(
                event,
                partition,
                offset,
                StoredDecision(seen, None, status, outcome, score, hits, features, version),
            )
        )
        state.add(event, partition.number, offset)
        following[partition] += 1
        if following[partition] == len(waiting[partition]):
            del waiting[partition]
    replayer = Replayer(KnownPast(RULESETS), MemoryOrderLog(decided))
    by_partition = [[order for order in decided if order.partition == partition] for partition in past.events]
    merged = list(merge_by_seen(map(iter, by_partition)))
    assert merged == decided
    assert [replayer.compare(order) for order in merged] == [()] * len(decided)
    assert replayer.taken_back == 0
    # In another sequence the same comes out, with more work.
    assert [replayer.compare(order) for order in reversed(decided)] == [()] * len(decided)
    assert replayer.taken_back == len(decided) - 1


def test_every_field_that_differs_is_found() -> None:
    past = Past(1)
    orders = list(past.decisions())
    order = next(order for order in orders if len(orjson.loads(order.decision.hits)) == 2)
    features = {**orjson.loads(order.decision.features), "orders": 17, "unknown": None}
    hits = orjson.loads(order.decision.hits)
    first = hits[0]["rule"]
    hits[0]["score"] += 1
    changed = _with(
        order,
        status="fraud" if order.decision.status == "genuine" else "genuine",
        outcome="decline",
        risk_score=99,
        features=orjson.dumps(features).decode(),
        hits=orjson.dumps(hits).decode(),
    )
    found = Replayer(past.known(), MemoryOrderLog(orders)).compare(changed)
    assert found == [
        Difference("status", changed.decision.status, order.decision.status),
        Difference("outcome", "decline", order.decision.outcome),
        Difference("risk_score", 99, order.decision.risk_score),
        Difference(f"hits.{first}.score", hits[0]["score"], hits[0]["score"] - 1),
        Difference("features.orders", 17, orjson.loads(order.decision.features)["orders"]),
        Difference("features.unknown", None, None),
    ]


def test_hits_that_are_missing_or_in_another_order_differ() -> None:
    past = Past(1)
    orders = list(past.decisions())
    order = next(order for order in orders if len(orjson.loads(order.decision.hits)) == 2)
    one, two = orjson.loads(order.decision.hits)
    log = MemoryOrderLog(orders)

    def compare(hits: object) -> Sequence[Difference]:
        return Replayer(past.known(), log).compare(_with(order, hits=orjson.dumps(hits).decode()))

    assert compare([two]) == [Difference(f"hits.{one['rule']}", None, one)]
    assert compare([two, one]) == [Difference("hits", [two["rule"], one["rule"]], [one["rule"], two["rule"]])]


def test_what_cannot_be_decided_again_is_named() -> None:
    past = Past(2)
    orders = list(past.decisions())
    log = MemoryOrderLog(orders)
    order = orders[-1]

    def reason(order: DecidedOrder, known: KnownPast) -> Reason:
        with pytest.raises(NotReplayableError) as raised:
            Replayer(known, log).compare(order)
        return raised.value.reason

    known = past.known()
    assert reason(_with(order, ruleset_version="other"), known) is Reason.UNKNOWN_RULESET
    assert reason(_with(order, features="{}"), known) is Reason.ERASED
    assert reason(_with(order, seen=None), known) is Reason.NOTHING_SEEN
    created = order.event.created_date
    assert reason(order, past.known(retired_before=created - timedelta(hours=1))) is Reason.RETIRED_ORDERS
    replayable = past.known(retired_before=created - timedelta(hours=31))
    assert Replayer(replayable, log).compare(order) == ()
    stored = {Partition(epoch, number): 0 for epoch in (1, 2) for number in range(2)}
    assert reason(order, past.known(stored_labels=stored)) is Reason.UNSTORED_LABELS


def test_erased_orders_explain_what_they_may_have_entered() -> None:
    past = Past(2)
    orders = list(past.decisions())
    log = MemoryOrderLog(orders)
    order = orders[-1]
    created, user = order.event.created_date, order.event.user_id

    def compare(order: DecidedOrder, hours: float, *users: str) -> Sequence[Difference] | Reason:
        hashes = {sha256(each.encode()).hexdigest() for each in users}
        known = past.known(erased=ErasedOrders([created - timedelta(hours=hours)], hashes))
        try:
            return Replayer(known, log).compare(order)
        except NotReplayableError as error:
            return error.reason

    def changed(feature: str) -> DecidedOrder:
        recorded = orjson.loads(order.decision.features)
        recorded[feature] = 12_345
        return _with(order, features=orjson.dumps(recorded).decode())

    # An average by device lost the orders that had the device; one that no rule names changes nothing else.
    assert compare(changed("average"), 20) is Reason.ERASED_ORDERS
    # An erased order outside of the window explains nothing, and one whose absence changed nothing does not matter.
    (difference,) = compare(changed("average"), 31)
    assert isinstance(difference, Difference)
    assert difference.field == "features.average"
    assert compare(order, 20, user) == ()
    # A count by user is explained for erased users alone; then hits and score follow from it.
    assert [each.field for each in _differences(compare(changed("orders"), 2, "someone else"))] == ["features.orders"]
    found = _differences(compare(changed("orders"), 2, user))
    assert "features.orders" not in [each.field for each in found]
    # What else differs is a difference as ever.
    other = _with(changed("average"), risk_score=99)
    assert [each.field for each in _differences(compare(other, 20))] == ["risk_score"]


def _differences(found: Sequence[Difference] | Reason) -> Sequence[Difference]:
    assert not isinstance(found, Reason)
    return found


def test_an_order_that_was_too_late_is_decided_without_histories() -> None:
    past = Past(3)
    orders = list(past.decisions())
    newest = orders[0].event._replace(order_id="new", created_date=START + timedelta(days=40))
    late = orders[1].event._replace(order_id="late", created_date=START + timedelta(days=32))
    partition = Partition(1, 7)
    (ruleset, *_) = RULESETS.values()
    state = StreamFeatures(ruleset.features)
    state.add(newest, 7, 0)
    decided = [_decided(event, partition, offset, ruleset, state) for offset, event in enumerate((newest, late))]
    assert "too_late" in decided[1].decision.features
    replayer = Replayer(KnownPast(RULESETS), MemoryOrderLog(decided))
    assert replayer.compare(decided[1]) == ()
    # One that is recorded as if it had not been too late differs.
    features = orjson.loads(decided[1].decision.features)
    del features["too_late"]
    punctual = _with(decided[1], features=orjson.dumps(features).decode())
    assert Difference("features.too_late", None, True) in replayer.compare(punctual)


def _with(order: DecidedOrder, **changes: Any) -> DecidedOrder:
    """The order with another decision."""
    return order._replace(decision=order.decision._replace(**changes))


def _decided(
    event: OrderEvent, partition: Partition, offset: int, ruleset: Ruleset, state: FeatureState
) -> DecidedOrder:
    status, outcome, score, hits, _, features, version = decision_columns(evaluate(event, state, ruleset))
    decision = StoredDecision(b"", None, status, outcome, score, hits, features, version)
    return DecidedOrder(event, partition, offset, decision)
