"""Evaluation of an order by a ruleset: the one function that decides, in the stream and elsewhere."""

from typing import Final

from decision_engine.features import Features, FeatureState
from decision_engine.rule import MAX_SCORE, Mode, Ruleset, snoozed_rules
from order_contract.decision import CONTROL, SNOOZED, Decision, Outcome, RuleHit
from order_contract.event import OrderEvent

# Python 3.11 takes ten times as long to look up a member of an enumeration as a constant.
_APPROVE: Final = Outcome.APPROVE
_LIVE: Final = Mode.LIVE


def evaluate(event: OrderEvent, state: FeatureState, ruleset: Ruleset) -> Decision:
    """The decision on an order with the features that a state gives it."""
    return decide(event, state.features(event), ruleset)


def decide(event: OrderEvent, features: Features, ruleset: Ruleset) -> Decision:
    """The decision on an order: live rules with an outcome first, then the scores of the live rules that fired.

    Scores add up to at most 100. A rule that is snoozed for the order is recorded, and counts for neither. An order of
    the control group that scores would flag is approved, and the hits of live rules say so. Pure: the same order,
    features and ruleset always give the same decision.
    """
    positions = ruleset.find_fired(event, features)
    if not positions:
        return ruleset.approval(features)
    fired = [ruleset.active[position] for position in positions]
    snoozed = snoozed_rules(features)
    live = [rule for rule in fired if rule.mode is _LIVE and rule.id not in snoozed]
    score = min(MAX_SCORE, sum(rule.score for rule in live))
    hard = [rule.outcome for rule in live if rule.outcome is not None]
    outcome, live_mode = ruleset.outcome(score, hard), str(_LIVE)
    control = ruleset.control
    if control is not None and outcome is not _APPROVE and not hard and control.includes(event.order_id):
        outcome, live_mode = _APPROVE, CONTROL
    hits = [
        RuleHit(
            rule=rule.id,
            severity=rule.severity,
            score=rule.score,
            mode=SNOOZED if rule.id in snoozed else live_mode if rule.mode is _LIVE else rule.mode,
            reason=rule.sentence(event, features),
        )
        for rule in fired
    ]
    return Decision(outcome, score, hits, features, ruleset.version)
