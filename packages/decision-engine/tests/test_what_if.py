"""What a ruleset makes of an order: every rule's truth, and changes that the engine confirms."""

from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from decision_engine.evaluate import evaluate
from decision_engine.features import ChangedFeatures, EventFeatures, FeatureState
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import EntryChange, ListFeatures, ListMembers
from decision_engine.ruleset import load_ruleset, parse_ruleset
from decision_engine.what_if import MOST_CHANGES, WhatIf, examine
from order_contract.decision import Outcome
from order_contract.event import OrderEvent

NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)
RULESET = parse_ruleset(
    """
review_at: 50
decline_at: 90
parameters: {large: 1000, wallets: [GoPay, OVO]}
attributes: {channel: text, gift: boolean}
lists:
  blocked_devices: {kind: block, field: device_id}
features:
  orders_of_device_1h: {aggregate: count, key: device_id, window: 1h}
  ratio_to_own_average: {aggregate: ratio_to_avg, field: amount, key: user_id, window: 30d}
rules:
  - {id: large, description: Large., when: amount > large and payment_method in wallets, severity: low, score: 50}
  - {id: busy, description: Busy., when: orders_of_device_1h >= 3, severity: low, score: 50}
  - {id: unusual, description: Unusual., when: ratio_to_own_average > 2.5, severity: low, score: 20}
  - {id: blocked, description: Blocked., when: device_id in blocked_devices, severity: high, outcome: decline}
  - {id: gift, description: Gift., when: attributes.gift and attributes.channel == 'web', severity: low, score: 60}
  - {id: tried, description: Tried., when: quantity > 2, severity: low, score: 90, mode: shadow}
  - {id: retired, description: Retired., when: quantity > 1, severity: low, score: 90, mode: off}
""",
    "rules.yaml",
)


def order(**changes: Any) -> OrderEvent:
    event = OrderEvent("o", "u", "p", 1, 100, "IDR", "GoPay", "ID", NOON, "d", None, None, None, None, None, None)
    return event._replace(**changes)


def stored(*earlier: OrderEvent, blocked: str = "") -> FeatureState:
    history = StreamFeatures(RULESET.features)
    for event in earlier:
        history.load([event])
    members = ListMembers()
    members.load(1, [EntryChange("blocked_devices", "device_id", blocked, None, True)] if blocked else [])
    return ListFeatures(history, members, RULESET)


def changes_by_name(found: WhatIf) -> dict[tuple[str, Any], Outcome]:
    return {(change.name, change.instead): change.outcome for change in found.changes}


def test_every_rule_says_what_it_saw() -> None:
    found = examine(order(amount=2_000, quantity=3), stored(), RULESET)
    large, busy, unusual, blocked, _, tried, retired = found.rules
    assert (large.fires, large.values) == (
        True,
        {"amount": 2_000, "large": 1_000, "payment_method": "GoPay", "wallets": ("GoPay", "OVO")},
    )
    assert large.comparisons == [("amount > large", True), ("payment_method in wallets", True)]
    assert (busy.fires, busy.values) == (False, {"orders_of_device_1h": 0})
    assert (unusual.fires, unusual.values) == (False, {"ratio_to_own_average": None})
    assert (blocked.fires, blocked.values["blocked_devices"]) == (False, False)
    assert (tried.fires, retired.fires) == (True, True)
    assert [hit["rule"] for hit in found.decision.hits] == ["large", "tried"]


def test_the_nearest_values_with_another_outcome_are_found() -> None:
    found = examine(order(amount=2_000), stored(), RULESET)
    assert found.decision.outcome is Outcome.REVIEW
    assert changes_by_name(found) == {
        ("amount", 1_000): Outcome.APPROVE,
        ("payment_method", None): Outcome.APPROVE,
        ("orders_of_device_1h", 3): Outcome.DECLINE,
        ("blocked_devices", True): Outcome.DECLINE,
        ("large", False): Outcome.APPROVE,
    }
    assert found.changes[0].sentence == "With amount 1,000 instead of 2,000 the order would be approved."
    assert "With a value of payment_method that no rule names the order would be approved." in [
        change.sentence for change in found.changes
    ]
    assert found.changes[-1].sentence == "Without rule large the order would be approved."


def test_history_is_read_again_for_another_order() -> None:
    """Three times the usual amount and a busy device: less money lowers the ratio, too."""
    earlier = [order(order_id=f"o{number}", amount=400, created_date=NOON - timedelta(hours=2)) for number in range(3)]
    found = examine(order(amount=1_200), stored(*earlier), RULESET)
    assert (found.decision.outcome, found.decision.risk_score) == (Outcome.REVIEW, 70)
    assert changes_by_name(found)["amount", 1_000] is Outcome.APPROVE  # 2.5 times
    assert ("ratio_to_own_average", 2.5) not in changes_by_name(found)  # 50 points stay
    busy = [order(order_id=f"o{number}", amount=400, created_date=NOON) for number in range(3)]
    found = examine(order(amount=1_200), stored(*busy), RULESET)
    assert (found.decision.outcome, found.decision.risk_score) == (Outcome.DECLINE, 100)
    assert changes_by_name(found)["orders_of_device_1h", 2] is Outcome.REVIEW


def test_lists_and_truth_values_are_turned_around() -> None:
    found = examine(order(), stored(blocked="d"), RULESET)
    assert found.decision.outcome is Outcome.DECLINE
    assert changes_by_name(found) == {
        ("blocked_devices", False): Outcome.APPROVE,
        ("blocked", False): Outcome.APPROVE,
    }
    assert found.changes[0].sentence == "If the order were not in list blocked_devices, the order would be approved."
    found = examine(order(attributes={"gift": True, "channel": "app"}), stored(), RULESET)
    assert changes_by_name(found)["attributes.channel", "web"] is Outcome.REVIEW


def test_a_rule_in_shadow_changes_no_outcome() -> None:
    found = examine(order(quantity=5), stored(), RULESET)
    assert found.decision.outcome is Outcome.APPROVE
    assert not [change for change in found.changes if change.name in {"quantity", "tried", "retired"}]


@pytest.mark.parametrize("name", ["user_id", "country", "currency"])
def test_a_large_ruleset_has_a_bounded_answer(name: str) -> None:
    rules = "\n".join(
        f"  - {{id: r{number}, description: R., when: {name} == 'V{number}', severity: low, score: 60}}"
        for number in range(1_000)
    )
    ruleset = parse_ruleset(f"review_at: 50\ndecline_at: 90\nrules:\n{rules}", "rules.yaml")
    assert len(examine(order(), EventFeatures(), ruleset).changes) == MOST_CHANGES


@given(
    amount=st.integers(0, 400_000_000),
    quantity=st.integers(1, 400),
    country=st.sampled_from(["ID", "SG"]),
    payment=st.sampled_from(["GoPay", "Bank Transfer"]),
    hour=st.integers(0, 23),
)
def test_changes_of_the_default_rules_hold(amount: int, quantity: int, country: str, payment: str, hour: int) -> None:
    ruleset = load_ruleset()
    event = order(
        amount=amount, quantity=quantity, country=country, payment_method=payment,
        created_date=NOON.replace(hour=hour),
    )  # fmt: skip
    found = examine(event, EventFeatures(), ruleset)
    assert found.decision == evaluate(event, EventFeatures(), ruleset)
    for change in found.changes:
        if change.name in OrderEvent._fields:
            changed: dict[str, Any] = {change.name: "Other" if change.instead is None else change.instead}
            again = evaluate(event._replace(**changed), EventFeatures(), ruleset)
            assert again.outcome is change.outcome is not found.decision.outcome
        elif change.name == "hour":
            state = ChangedFeatures(EventFeatures(), {"hour": change.instead})
            assert evaluate(event, state, ruleset).outcome is change.outcome


def test_of_several_numbers_with_one_outcome_the_nearest_is_named() -> None:
    event = order(amount=350_000_000, country="SG", payment_method="Credit Card")
    found = examine(event, EventFeatures(), load_ruleset())
    assert found.decision.outcome is Outcome.DECLINE
    amounts = [(change.instead, change.outcome) for change in found.changes if change.name == "amount"]
    assert amounts == [(299_999_999, Outcome.REVIEW)]
    assert "amount >= 300_000_000" in [each.text for rule in found.rules for each in rule.comparisons]


def test_a_comparison_over_two_lines_is_read_by_itself() -> None:
    rules = 'review_at: 5\ndecline_at: 9\nrules: [{id: r, description: R., severity: low, score: 5, when: "{}"}]'
    ruleset = parse_ruleset(rules.replace("{}", "(amount\\n > 1_0) and country == 'I  D'"), "rules.yaml")
    assert [each.text for each in examine(order(), EventFeatures(), ruleset).rules[0].comparisons] == [
        "amount > 10",
        "country == 'I  D'",
    ]
