"""The engine: what a ruleset says about an order."""

from collections.abc import Mapping
from typing import Any

from decision_engine.ruleset import MAX_SCORE, Ruleset
from order_contract.decision import Decision, Hit, Outcome
from order_contract.event import OrderEvent


class Engine:
    """Decides orders by one ruleset; pure, so the same order and features always give the same decision."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        # Orders of an hour share their features, and those on which no rule fires their whole decision.
        self._approval = Decision(Outcome.APPROVE, 0, (), {}, ruleset.version)

    def decide(self, event: OrderEvent, features: Mapping[str, Any]) -> Decision:
        """The decision on an order: the scores of the live rules that fired, added up to at most 100."""
        ruleset = self.ruleset
        if not ruleset.any_fires(event, features):
            if self._approval.features is not features:
                self._approval = Decision(Outcome.APPROVE, 0, (), features, ruleset.version)
            return self._approval
        fired = [rule for rule in ruleset.rules if rule.condition(event, features)]
        score = min(MAX_SCORE, sum(rule.score for rule in fired if rule.mode == "live"))
        hits = [
            Hit(
                rule=rule.id,
                severity=rule.severity,
                score=rule.score,
                mode=rule.mode,
                reason=rule.sentence(event, features),
            )
            for rule in fired
        ]
        return Decision(self._outcome(score), score, hits, features, ruleset.version)

    def _outcome(self, score: int) -> Outcome:
        if score >= self.ruleset.decline_at:
            return Outcome.DECLINE
        return Outcome.REVIEW if score >= self.ruleset.review_at else Outcome.APPROVE
