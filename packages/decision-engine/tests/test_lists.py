"""Members of lists as a fold over changes, and orders that are in lists."""

from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures
from decision_engine.lists import EntryChange, ListFeatures, ListMembers, snooze_name
from decision_engine.ruleset import parse_ruleset
from order_contract.decision import Outcome
from order_contract.event import OrderEvent

NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)
RULES = """
review_at: 50
decline_at: 90
lists:
  blocked_devices: {kind: block, field: device_id}
  trusted_users: {kind: trust, field: user_id}
  watched_terminals: {kind: watch, field: attributes.terminal_id}
attributes: {terminal_id: text}
rules:
  - {id: trusted, description: Trusted., when: user_id in trusted_users, severity: low, outcome: approve}
  - {id: blocked, description: Blocked., when: device_id in blocked_devices, severity: high, outcome: decline}
  - {id: watched, description: Watched., when: attributes.terminal_id in watched_terminals, severity: low, score: 60}
  - {id: large, description: Large., when: amount > 100, severity: low, score: 60}
"""
RULESET = parse_ruleset(RULES, "rules.yaml")
WITHOUT_LISTS = parse_ruleset(
    "review_at: 50\ndecline_at: 90\n"
    "rules: [{id: large, description: Large., when: amount > 100, severity: low, score: 60}]",
    "rules.yaml",
)


def order(**changes: Any) -> OrderEvent:
    event = OrderEvent(
        "o", "u", "p", 1, 1, "IDR", "GoPay", "ID", NOON, "d", None, None, None, None, None, {"terminal_id": "t"}
    )
    return event._replace(**changes)


def added(list_name: str, value: str, expires_at: datetime | None = None, field: str = "device_id") -> EntryChange:
    return EntryChange(list_name, field, value, expires_at, True)


def removed(list_name: str, value: str, field: str = "device_id") -> EntryChange:
    return EntryChange(list_name, field, value, None, False)


def test_an_order_is_in_the_lists_that_hold_its_values() -> None:
    members = ListMembers()
    features = ListFeatures(EventFeatures(), members, RULESET)
    assert "lists" not in features.features(order())
    members.apply(1, [added("blocked_devices", "d"), added("watched_terminals", "t", field="attributes.terminal_id")])
    assert features.features(order())["lists"] == ("blocked_devices", "watched_terminals")
    assert features.features(order(device_id=None, attributes=None)) == EventFeatures().features(order())
    assert features.features(order(device_id="D", attributes={"terminal_id": 1})) == EventFeatures().features(order())
    members.apply(2, [removed("blocked_devices", "d")])
    assert features.features(order())["lists"] == ("watched_terminals",)
    assert features.seen == 2


@pytest.mark.parametrize(("seconds", "is_member"), [(-1, True), (0, False), (1, False)])
def test_an_entry_expires_by_the_orders_own_time(seconds: int, *, is_member: bool) -> None:
    members = ListMembers()
    members.apply(1, [added("blocked_devices", "d", NOON)])
    features = ListFeatures(EventFeatures(), members, RULESET).features(
        order(created_date=NOON + timedelta(0, seconds))
    )
    assert ("blocked_devices" in features.get("lists", ())) is is_member


def test_trust_goes_before_block_and_a_snooze_before_both() -> None:
    members = ListMembers()
    features = ListFeatures(EventFeatures(), members, RULESET)
    members.apply(1, [added("blocked_devices", "d"), added("trusted_users", "u", field="user_id")])
    decision = evaluate(order(), features, RULESET)
    assert (decision.outcome, [hit["rule"] for hit in decision.hits]) == (Outcome.APPROVE, ["trusted", "blocked"])
    members.apply(2, [added(snooze_name("trusted", "user_id"), "u", field="user_id")])
    decision = evaluate(order(), features, RULESET)
    assert (decision.outcome, [hit["mode"] for hit in decision.hits]) == (Outcome.DECLINE, ["snoozed", "live"])
    members.apply(3, [added(snooze_name("blocked", "device_id"), "d")])
    decision = evaluate(order(), features, RULESET)
    assert (decision.outcome, [hit["mode"] for hit in decision.hits]) == (Outcome.APPROVE, ["snoozed", "snoozed"])


def test_a_ruleset_without_lists_sees_snoozes_of_its_rules_alone() -> None:
    members = ListMembers()
    features = ListFeatures(EventFeatures(), members, WITHOUT_LISTS)
    members.apply(1, [added("blocked_devices", "d"), added(snooze_name("other", "device_id"), "d")])
    assert (features.seen, members.number) == (None, 1)
    assert features.features(order()) is EventFeatures().features(order())
    members.apply(2, [added(snooze_name("large", "device_id"), "d", NOON)])
    assert (features.seen, members.number) == (2, 2)
    assert evaluate(order(amount=101), features, WITHOUT_LISTS).outcome is Outcome.REVIEW
    early = evaluate(order(amount=101, created_date=NOON - timedelta(seconds=1)), features, WITHOUT_LISTS)
    assert (early.outcome, early.risk_score, [hit["mode"] for hit in early.hits]) == (Outcome.APPROVE, 0, ["snoozed"])


def test_members_that_are_loaded_replace_those_before() -> None:
    members = ListMembers()
    features = ListFeatures(EventFeatures(), members, RULESET)
    members.apply(1, [added("blocked_devices", "d")])
    assert features.features(order())["lists"]
    members.load(9, [added("blocked_devices", "e")])
    assert "lists" not in features.features(order())
    assert features.features(order(device_id="e"))["lists"]
    assert (features.seen, members.sizes["blocked_devices"]) == (9, 1)


CHANGES = st.lists(
    st.lists(
        st.builds(
            EntryChange,
            st.just("blocked_devices"),
            st.just("device_id"),
            st.sampled_from("abc"),
            st.sampled_from([None, NOON, NOON + timedelta(1)]),
            st.booleans(),
        ),
        max_size=3,
    ),
    max_size=8,
)


@given(CHANGES, st.data())
def test_members_are_a_fold_over_changes_whichever_are_applied_twice(
    changes: list[list[EntryChange]], data: st.DataObject
) -> None:
    once, again = ListMembers(), ListMembers()
    for number, entries in enumerate(changes, 1):
        once.apply(number, entries)
        again.apply(number, entries)
        repeated = data.draw(st.integers(1, number))
        again.apply(repeated, changes[repeated - 1])
    expected: dict[str, datetime | None] = {}
    for entry in (entry for entries in changes for entry in entries):
        if entry.is_added:
            expected[entry.value] = entry.expires_at
        else:
            expected.pop(entry.value, None)
    assert once.members_of("blocked_devices") == again.members_of("blocked_devices") == expected
    assert once.number == again.number == len(changes)
