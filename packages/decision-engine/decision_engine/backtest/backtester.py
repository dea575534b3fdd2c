"""Backtester: decides past orders by a ruleset, in the order of their own time, with features computed again."""

from collections.abc import Iterable
from typing import NamedTuple

from decision_engine.backtest.tally import Tally
from decision_engine.evaluate import decide
from decision_engine.features import EventFeatures, Features
from decision_engine.history.labelled_orders import LabelRank
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import EntryChange, ListFeatures, ListMembers
from decision_engine.rule import Ruleset
from order_contract.decision import Decision, Outcome
from order_contract.event import OrderEvent
from order_contract.label import Label


class PastOrder(NamedTuple):
    """A past order, the outcome that it had, and its current label."""

    event: OrderEvent
    outcome: Outcome
    label: Label | None


class Backtester:
    """Decides by a ruleset, and counts beside the outcomes that orders had, or by those of another ruleset.

    What happened is given in the sequence of time: orders by `warm_up` or `decide`, labels by `apply_label` when their
    verdict was made, changes of lists by `change_lists`. Orders on which labels are to come are named beforehand.
    """

    def __init__(self, ruleset: Ruleset, against: Ruleset | None = None, *, labelled: Iterable[str] = ()) -> None:
        self.tally = Tally(ruleset)
        self._members = ListMembers()
        self._histories: list[StreamFeatures] = []
        self._labelled = list(labelled)
        self._tried = _Decider(ruleset, self._open_history(ruleset), self._members)
        self._against: _Decider | None = None
        if against is not None:
            shares = bool(self._histories) and ruleset.has_features_of(against)
            history = self._tried.history if shares else self._open_history(against)
            self._against = _Decider(against, history, self._members)
        self._count = 0
        self._forget_from = 0
        self._labels = 0

    def _open_history(self, ruleset: Ruleset) -> StreamFeatures | None:
        if not ruleset.features:
            return None
        history = StreamFeatures(ruleset.features)
        history.await_orders(self._labelled)
        self._histories.append(history)
        return history

    @property
    def has_history(self) -> bool:
        """Whether orders have to be given that are not decided."""
        return bool(self._histories)

    def warm_up(self, event: OrderEvent) -> None:
        """Count an order in features without deciding it."""
        self._count += 1
        for history in self._histories:
            history.add(event, 0, self._count)

    def decide(self, order: PastOrder) -> Decision:
        """Decide an order and count it; returns the decision of the ruleset that is tried."""
        self._count += 1
        features = against_features = self._tried.count(order.event, self._count)
        if self._against is not None and self._against.history is not self._tried.history:
            against_features = self._against.count(order.event, self._count)
        return self._compare(order, features, against_features)

    def decide_recorded(self, order: PastOrder, recorded: Features) -> Decision:
        """Decide an order by the features recorded with it, and count it; both rulesets must have them."""
        return self._compare(order, recorded, recorded)

    def _compare(self, order: PastOrder, features: Features, against_features: Features) -> Decision:
        event, before, label = order
        decision = self._tried.decide(event, features)
        if self._against is not None:
            before = self._against.decide(event, against_features).outcome
        self.tally.add(event, before, decision, label)
        return decision

    def apply_label(self, order_id: str, label: Label) -> None:
        """Let a label count in features from now on."""
        self._labels += 1
        for history in self._histories:
            history.apply_label(order_id, label, LabelRank(0, self._labels, 0))

    def change_lists(self, number: int, changes: Iterable[EntryChange]) -> None:
        """Apply the next change of lists."""
        self._members.apply(number, changes)

    def forget(self) -> None:
        """Delete what no feature can reach any more, once as many orders came as there are histories to look through.

        So an order costs no more than a look at one of them, and what is kept at most doubles.
        """
        if self._count < self._forget_from:
            return
        for history in self._histories:
            for _ in history.forget():
                pass
        self._forget_from = self._count + sum(history.histories for history in self._histories)


class _Decider:
    """A ruleset with the histories of its features, None without such features, and its lists."""

    def __init__(self, ruleset: Ruleset, history: StreamFeatures | None, members: ListMembers) -> None:
        self.history = history
        self._ruleset = ruleset
        self._event_features = EventFeatures()
        self._lists = ListFeatures(history or self._event_features, members, ruleset)

    def count(self, event: OrderEvent, number: int) -> Features:
        """The features of the order with this number, which counts in those of later ones."""
        return self._event_features.features(event) if self.history is None else self.history.count(event, 0, number)

    def decide(self, event: OrderEvent, features: Features) -> Decision:
        """The decision on an order by its features and the lists."""
        return decide(event, self._lists.with_lists(event, features), self._ruleset)
