"""The engine: what a ruleset says about an order."""

from collections.abc import Mapping
from typing import Any

from fraud_detector.rules.ruleset import MAX_SCORE, Rule, Ruleset
from order_contract.decision import Decision, Hit, Outcome
from order_contract.event import OrderEvent


class Engine:
    """Decides orders by one ruleset; pure, so the same order and features always give the same decision."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self._conditions = tuple((rule.condition, rule) for rule in ruleset.rules)

    def decide(self, event: OrderEvent, features: Mapping[str, Any]) -> Decision:
        """The decision on an order: the scores of the live rules that fired, added up to at most 100."""
        fired = [rule for condition, rule in self._conditions if condition(event, features)]
        if not fired:
            return Decision(Outcome.APPROVE, 0, (), features, self.ruleset.version)
        score = min(MAX_SCORE, sum(rule.score for rule in fired if rule.mode == "live"))
        return Decision(
            self._outcome(score),
            score,
            tuple(_hit(rule, event, features) for rule in fired),
            features,
            self.ruleset.version,
        )

    def _outcome(self, score: int) -> Outcome:
        if score >= self.ruleset.decline_at:
            return Outcome.DECLINE
        return Outcome.REVIEW if score >= self.ruleset.review_at else Outcome.APPROVE


def _hit(rule: Rule, event: OrderEvent, features: Mapping[str, Any]) -> Hit:
    reason = rule.description.format_map({**event._asdict(), **features})
    return Hit(rule.id, rule.severity, rule.score, rule.mode, reason)
