"""Replayer: decides stored orders again, each by the ruleset that decided it and with what its detector had seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson

from decision_engine.compilation import LISTS
from decision_engine.evaluate import evaluate
from decision_engine.features import ROLLOUT, ChangedFeatures, EventFeatures, FeatureState
from decision_engine.history.stream_features import HISTORY_SINCE, TOO_LATE
from decision_engine.lists import ListFeatures
from decision_engine.replay.comparison import Difference, find_differences
from decision_engine.replay.erased_orders import ErasedOrders
from decision_engine.replay.orders import DecidedOrder, OrderLog, Partition, PlacedLabel
from decision_engine.replay.past_histories import PastFeatures, PastHistories, was_too_late
from decision_engine.replay.past_lists import ListEntrySpan, PastLists
from decision_engine.rule import Ruleset
from order_contract.decision import Decision
from order_contract.seen import decode_seen_labels

_NO_LABELS: Final[Mapping[Partition, Sequence[PlacedLabel]]] = {}


class Reason(StrEnum):
    """Why an order cannot be decided again."""

    UNKNOWN_RULESET = "unknown-ruleset"
    ERASED = "erased"
    NOTHING_SEEN = "nothing-seen"
    RETIRED_ORDERS = "retired-orders"
    MISSING_ORDERS = "missing-orders"
    UNSTORED_LABELS = "unstored-labels"
    ERASED_ORDERS = "erased-orders"
    FORGOTTEN_ORDERS = "forgotten-orders"


EXPLANATIONS: Final[Mapping[Reason, str]] = {
    Reason.UNKNOWN_RULESET: "their ruleset version is not stored, or this release does not accept it",
    Reason.ERASED: "they are orders of an erased person",
    Reason.NOTHING_SEEN: "it is not recorded which orders or changes of lists they had seen",
    Reason.RETIRED_ORDERS: "orders of their windows are retired",
    Reason.MISSING_ORDERS: "a date of their windows has another number of orders in the source than in Postgres",
    Reason.UNSTORED_LABELS: "they saw labels that are not stored yet; replay them again later",
    Reason.ERASED_ORDERS: "they differ in features that orders of erased persons entered, and in nothing else",
    Reason.FORGOTTEN_ORDERS: "they are too late for the histories of a replay",
}


class NotReplayableError(Exception):
    """An order cannot be decided again."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(EXPLANATIONS[reason])
        self.reason = reason


class TimeSpan(NamedTuple):
    """The time from `start` on, before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class KnownPast:
    """What decisions may have seen, besides orders.

    `retired_before` is the time before which orders may be gone, `stored_labels` the next offsets of topic labels up to
    which labels are known (None when all are), and of the times in `incomplete` not all orders are known.
    """

    rulesets: Mapping[str, Ruleset]
    labels: Mapping[Partition, Sequence[PlacedLabel]] = field(default_factory=dict)
    stored_labels: Mapping[Partition, int] | None = None
    list_entries: Sequence[ListEntrySpan] = ()
    retired_before: datetime | None = None
    erased: ErasedOrders = field(default_factory=ErasedOrders)
    incomplete: Sequence[TimeSpan] = ()


class Replayer:
    """Decides orders again, by any of the known rulesets; mostly of one partition in ascending order of offsets.

    Pure: the same orders, labels and list entries give the same decisions.
    """

    def __init__(self, past: KnownPast, log: OrderLog) -> None:
        self._past = past
        self._lists = PastLists(past.list_entries)
        self._rulesets = past.rulesets
        self._checked_labels = b""
        self._deciders: dict[str, _Decider] = {}
        all_features = _share_features(past.rulesets.values())
        for version, ruleset in past.rulesets.items():
            features = all_features.get(version)
            self._deciders[version] = _Decider(ruleset, features, self._lists)
        distinct = list({id(each): each for each in all_features.values()}.values())
        has_labels = any(feature.label for ruleset in past.rulesets.values() for feature in ruleset.features)
        self._histories = PastHistories(distinct, log, past.labels if has_labels else _NO_LABELS) if distinct else None

    @property
    def taken_back(self) -> int:
        """How many orders were taken back from the histories until now."""
        return 0 if self._histories is None else self._histories.taken_back

    def compare(self, order: DecidedOrder) -> Sequence[Difference]:
        """How the decision on an order differs when it is made again; empty when not. Raises NotReplayableError."""
        differences = find_differences(order, self.decide(order))
        if differences and (decision := self._decide_with_erased(order)) is not None:
            differences = find_differences(order, decision)
            if not differences:
                raise NotReplayableError(Reason.ERASED_ORDERS)
        return differences

    def decide(self, order: DecidedOrder) -> Decision:
        """The decision on an order, made again. Raises NotReplayableError."""
        decider = self._deciders.get(order.decision.ruleset_version)
        if decider is None:
            raise NotReplayableError(Reason.UNKNOWN_RULESET)
        if order.decision.is_erased:
            raise NotReplayableError(Reason.ERASED)
        if decider.features is not None:
            self._restore(decider.features, order)
        if order.decision.lists_seen is None:
            if f'"{LISTS}":' in order.decision.features and LISTS in orjson.loads(order.decision.features):
                raise NotReplayableError(Reason.NOTHING_SEEN)
            return _keep_rollout(order, evaluate(order.event, decider.without_lists, decider.ruleset))
        self._lists.move_to(order.decision.lists_seen)
        return _keep_rollout(order, evaluate(order.event, decider.with_lists, decider.ruleset))

    def _restore(self, features: PastFeatures, order: DecidedOrder) -> None:
        """Let the features be those that the detector saw."""
        assert self._histories is not None
        if order.decision.seen is None:
            raise NotReplayableError(Reason.NOTHING_SEEN)
        horizon, was_late = _recorded_limits(order.decision.features)
        created = order.event.created_date
        if not was_late:
            since = created - features.longest if horizon is None else max(created - features.longest, horizon)
            if self._past.retired_before is not None and since < self._past.retired_before:
                raise NotReplayableError(Reason.RETIRED_ORDERS)
            if any(since < span.end and created >= span.start for span in self._past.incomplete):
                raise NotReplayableError(Reason.MISSING_ORDERS)
            self._require_labels(order.decision.seen)
        self._histories.move_to(order.partition, order.offset, order.decision.seen)
        if not was_late and created <= self._histories.complete_since:
            raise NotReplayableError(Reason.FORGOTTEN_ORDERS)
        features.horizon = horizon
        features.is_too_late = was_late or was_too_late(order.event, self._histories.newest)

    def _require_labels(self, seen: bytes) -> None:
        """Raises NotReplayableError when the order saw labels that are not known."""
        stored = self._past.stored_labels
        if stored is None or seen == self._checked_labels:
            return
        epoch, next_offsets = decode_seen_labels(seen) or (1, ())
        for number, following in enumerate(next_offsets):
            if following > stored.get(Partition(epoch, number), 0):
                raise NotReplayableError(Reason.UNSTORED_LABELS)
        self._checked_labels = seen

    def _decide_with_erased(self, order: DecidedOrder) -> Decision | None:
        """The decision with the recorded values of features that may have counted erased orders; None without any.

        Right after `decide`: the other features are those of the order.
        """
        decider = self._deciders[order.decision.ruleset_version]
        if decider.features is None:
            return None
        recorded: dict[str, Any] = orjson.loads(order.decision.features)
        concerned = self._past.erased.concerned(order.event, decider.ruleset.features)
        values = {each.name: recorded[each.name] for each in concerned if each.name in recorded}
        if not values:
            return None
        state: FeatureState = ChangedFeatures(decider.features, values)
        if order.decision.lists_seen is not None:
            state = ListFeatures(state, self._lists.members, decider.ruleset)
        return _keep_rollout(order, evaluate(order.event, state, decider.ruleset))


class _Decider:
    """A ruleset with the states of its features."""

    def __init__(self, ruleset: Ruleset, features: PastFeatures | None, lists: PastLists) -> None:
        self.ruleset = ruleset
        self.features = features
        self.without_lists: FeatureState = features or EventFeatures()
        self.with_lists = ListFeatures(self.without_lists, lists.members, ruleset)


def _keep_rollout(order: DecidedOrder, decision: Decision) -> Decision:
    """The decision with what the order has about a roll-out, which is about the version that did not decide."""
    if f'"{ROLLOUT}":' not in order.decision.features:
        return decision
    recorded = orjson.loads(order.decision.features).get(ROLLOUT)
    return decision if recorded is None else decision._replace(features={**decision.features, ROLLOUT: recorded})


def _share_features(rulesets: Iterable[Ruleset]) -> dict[str, PastFeatures]:
    """The features of each version that has some; versions whose features are the same share them."""
    shared: list[tuple[Ruleset, PastFeatures]] = []
    found: dict[str, PastFeatures] = {}
    for ruleset in rulesets:
        if not ruleset.features:
            continue
        for other, features in shared:
            if ruleset.features == other.features and ruleset.has_features_of(other):
                found[ruleset.version] = features
                break
        else:
            found[ruleset.version] = PastFeatures(ruleset.features)
            shared.append((ruleset, found[ruleset.version]))
    return found


def _recorded_limits(features: str) -> tuple[datetime | None, bool]:
    """Since when the windows began at the earliest, and whether the order was too late to have history features."""
    if f'"{HISTORY_SINCE}"' not in features and f'"{TOO_LATE}"' not in features:
        return None, False
    recorded: dict[str, Any] = orjson.loads(features)
    since = recorded.get(HISTORY_SINCE)
    return None if since is None else datetime.fromisoformat(since), recorded.get(TOO_LATE) is True
