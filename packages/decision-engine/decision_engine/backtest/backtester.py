"""Backtester: decides past orders by a ruleset, in the order of their own time, with features computed again."""

from collections.abc import Iterable
from typing import NamedTuple

from decision_engine.backtest.tally import Tally
from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures, FeatureState
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
        self._ruleset = ruleset
        self._against = against
        self._histories: list[StreamFeatures] = []
        self._labelled = list(labelled)
        self._state = self._make_state(ruleset)
        self._against_state: FeatureState | None = None
        if against is not None:
            shares = bool(self._histories) and ruleset.has_features_of(against)
            self._against_state = self._make_state(against, self._histories[0] if shares else None)
        self._count = 0
        self._labels = 0

    def _make_state(self, ruleset: Ruleset, shared: StreamFeatures | None = None) -> FeatureState:
        state: FeatureState = EventFeatures()
        if ruleset.features:
            history = shared or StreamFeatures(ruleset.features)
            if shared is None:
                history.await_orders(self._labelled)
                self._histories.append(history)
            state = history
        return ListFeatures(state, self._members, ruleset)

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
        event, before, label = order
        decision = evaluate(event, self._state, self._ruleset)
        if self._against is not None and self._against_state is not None:
            before = evaluate(event, self._against_state, self._against).outcome
        self.tally.add(event, before, decision, label)
        if self._histories:
            self.warm_up(event)
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
        """Delete what no feature can reach any more."""
        for history in self._histories:
            for _ in history.forget():
                pass
