"""Evaluation of an order by a ruleset: the one function that decides, in the stream and elsewhere."""

from decision_engine.features import FeatureState
from decision_engine.ruleset import MAX_SCORE, Ruleset
from order_contract.decision import Decision, Outcome, RuleHit
from order_contract.event import OrderEvent


def evaluate(event: OrderEvent, state: FeatureState, ruleset: Ruleset) -> Decision:
    """The decision on an order: the scores of the live rules that fired, added up to at most 100.

    Pure: the same order, features and ruleset always give the same decision.
    """
    features = state.features(event)
    if not ruleset.any_fires(event, features):
        return ruleset.approval(features)
    fired = [rule for rule in ruleset.rules if rule.condition(event, features)]
    score = min(MAX_SCORE, sum(rule.score for rule in fired if rule.mode == "live"))
    hits = [
        RuleHit(
            rule=rule.id,
            severity=rule.severity,
            score=rule.score,
            mode=rule.mode,
            reason=rule.sentence(event, features),
        )
        for rule in fired
    ]
    return Decision(_outcome(score, ruleset), score, hits, features, ruleset.version)


def _outcome(score: int, ruleset: Ruleset) -> Outcome:
    if score >= ruleset.decline_at:
        return Outcome.DECLINE
    return Outcome.REVIEW if score >= ruleset.review_at else Outcome.APPROVE
