"""The control group: orders that scores would flag, approved and marked so."""

from datetime import UTC, datetime

import orjson
import pytest

from decision_engine.evaluate import evaluate
from decision_engine.explanation import explain_difference
from decision_engine.features import EventFeatures
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from decision_engine.what_if import examine
from order_contract.decision import Decision, Outcome
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import OrderEvent

RULES = """
review_at: 50
decline_at: 90
control: {share: 0.1, salt: autumn}
rules:
  - {id: large, description: large, when: amount > 1_000, severity: low, score: 50}
  - {id: huge, description: huge, when: amount > 1_000_000, severity: high, outcome: decline}
  - {id: quiet, description: quiet, when: amount > 1_000, severity: low, score: 50, mode: shadow}
"""
WITHOUT = RULES.replace("control: {share: 0.1, salt: autumn}\n", "")


def order(number: int, amount: int = 2_000) -> OrderEvent:
    fields = {
        "order_id": f"o{number}", "user_id": "u", "product_id": "p", "quantity": 1, "amount": amount,
        "payment_method": "OVO", "country": "ID", "created_date": "2026-11-22T12:00:00",
    }  # fmt: skip
    return EventDecoder().decode(orjson.dumps(fields), datetime(2026, 11, 22, 6, tzinfo=UTC))


def decide(ruleset: Ruleset, number: int, amount: int = 2_000) -> Decision:
    return evaluate(order(number, amount), EventFeatures(), ruleset)


def test_a_share_of_the_flagged_orders_is_approved_and_marked() -> None:
    ruleset, without = parse_ruleset(RULES, "f"), parse_ruleset(WITHOUT, "f")
    decisions = [decide(ruleset, number) for number in range(5_000)]
    passed = [each for each in decisions if each.outcome is Outcome.APPROVE]
    assert len(passed) / len(decisions) == pytest.approx(0.1, abs=0.02)
    assert {each.risk_score for each in passed} == {50}
    assert {tuple(hit["mode"] for hit in each.hits) for each in passed} == {("control", "shadow")}
    for number, decision in enumerate(decisions):
        if decision.outcome is not Outcome.APPROVE:
            assert decision == decide(without, number)._replace(ruleset_version=ruleset.version)


def test_hard_rules_hold_and_approved_orders_are_not_marked() -> None:
    ruleset = parse_ruleset(RULES, "f")
    for number in range(200):
        assert decide(ruleset, number, 2_000_000).outcome is Outcome.DECLINE
        assert decide(ruleset, number, 500) == ruleset.approval(EventFeatures().features(order(number)))


def test_the_group_does_not_depend_on_the_rules() -> None:
    one, other = parse_ruleset(RULES, "f"), parse_ruleset(RULES.replace("score: 50", "score: 60"), "f")
    salted = parse_ruleset(RULES.replace("autumn", "winter"), "f")
    groups = [[number for number in range(500) if decide(each, number).outcome is Outcome.APPROVE]
              for each in (one, other, salted)]  # fmt: skip
    assert groups[0] == groups[1] != groups[2]


def test_the_group_is_part_of_the_version_and_of_the_difference() -> None:
    one, other = parse_ruleset(WITHOUT, "f"), parse_ruleset(RULES, "f")
    assert one.version != other.version
    (sentence,) = explain_difference(one, other)
    assert sentence == "control was nothing and is 10.0000% of the orders, with salt 'autumn'."
    assert add_marketplace_pack(other, PackMode.SHADOW).control == other.control


def test_a_what_if_order_is_in_no_control_group() -> None:
    ruleset = parse_ruleset(RULES.replace("0.1", "0.2"), "f")
    assert {examine(order(number), EventFeatures(), ruleset).decision.outcome for number in range(40)} == {
        Outcome.REVIEW
    }


@pytest.mark.parametrize("control", ["{share: 0.5, salt: a}", "{share: 0.0, salt: a}", "{share: 1, salt: a}",
                                     "{share: 0.1}", "{share: 0.1, salt: a, more: 1}", "0.1"])  # fmt: skip
def test_what_is_no_control_group_is_refused(control: str) -> None:
    with pytest.raises(RulesetError, match=r"f:4:\d+: "):
        parse_ruleset(RULES.replace("{share: 0.1, salt: autumn}", control), "f")
