"""What a ruleset file may hold: declarations, hard rules, modes, validity, lists, includes and examples."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures, Features, RecordedFeatures
from decision_engine.history.declaration import SECOND, Aggregate
from decision_engine.ruleset import RulesetError, load_ruleset, parse_ruleset
from order_contract.decision import Decision, Outcome
from order_contract.event import OrderEvent

RULESET = """\
review_at: 50
decline_at: 90
parameters: {large_amount: 300_000_000, wallets: [OVO, DANA]}
attributes: {terminal_id: text}
lists:
  trusted_users: {kind: trust, field: user_id}
features:
  device_users_24h: {aggregate: distinct, field: user_id, key: device_id, window: 24h}
  pair_orders_90s: {aggregate: count, key: [user_id, ip_address], window: 90s, where: payment_method in wallets}
  device_fraud_30d: {aggregate: label_share, label: fraud, key: device_id, window: 30d}
  terminal_orders_1h: {aggregate: count, key: attributes.terminal_id, window: 1h}
rules:
  - {id: trusted, description: Trusted., when: user_id in trusted_users, outcome: approve, severity: low}
  - {id: stop, description: Stop., when: country == "KP", outcome: decline, severity: high, tags: [sanctions]}
  - {id: large, description: "{amount:,}", when: amount > large_amount, score: 60, severity: high}
  - {id: sleeping, description: Off., when: amount > 0, score: 100, severity: high, mode: off}
  - {id: sale, description: Sale., when: amount > 0, score: 95, severity: low,
     valid_from: 2026-12-01, valid_to: 2026-12-02}
  - id: shared-device
    description: "{device_users_24h} users before this one on device {device_id}."
    when: device_users_24h >= 2
    score: 50
    severity: medium
    tests:
      - {order: {user_id: c, device_id: d}, history: [{user_id: a}, {user_id: b, ago: 23h}], expect: true}
      - {order: {user_id: c, device_id: d}, history: [{user_id: a}, {user_id: b, ago: 24h}], expect: false}
"""


def order(**values: object) -> OrderEvent:
    placed = datetime(2026, 11, 22, 5, tzinfo=UTC)
    plain = OrderEvent(
        "o", "u", "p", 1, 1, "IDR", "OVO", "ID", placed, None, None, None, None, None, None, None
    )  # fmt: skip
    return plain._replace(**values)  # type: ignore[arg-type]


def decide(event: OrderEvent, **features: object) -> Decision:
    values: Features = {**EventFeatures().features(event), **features}
    return evaluate(event, RecordedFeatures(values), parse_ruleset(RULESET, "f.yaml"))


def rules_of(decision: Decision) -> list[str]:
    return [hit["rule"] for hit in decision.hits]


def test_features_are_declared_with_key_window_and_condition() -> None:
    ruleset = parse_ruleset(RULESET, "f.yaml")
    device, pair, fraud, terminal = ruleset.features
    assert device.name is sys.intern("device_users_24h")  # the object that compiled rules have, too
    assert (device.aggregate, device.field, device.key, device.window) == (
        Aggregate.DISTINCT, "user_id", ("device_id",), 86_400 * SECOND,
    )  # fmt: skip
    assert pair.key == ("user_id", "ip_address")
    assert pair.where == "payment_method in wallets"
    assert pair.condition is not None
    assert [pair.condition(order(payment_method=method)) for method in ("OVO", "COD")] == [True, False]
    assert (fraud.label, terminal.key) == ("fraud", ("attributes.terminal_id",))


def test_a_trusted_order_is_approved_before_anything_else() -> None:
    decision = decide(order(country="KP", amount=10**12), lists=("trusted_users",))
    assert (decision.outcome, decision.risk_score) == (Outcome.APPROVE, 60)
    assert rules_of(decision) == ["trusted", "stop", "large"]
    assert decide(order(country="KP")).outcome is Outcome.DECLINE
    assert decide(order(amount=10**12)).outcome is Outcome.REVIEW


def test_a_snoozed_rule_is_recorded_and_does_not_count() -> None:
    snoozed = "snooze:large:device_id"
    decision = decide(order(amount=10**12), lists=(snoozed,))
    assert (decision.outcome, decision.risk_score) == (Outcome.APPROVE, 0)
    assert [(hit["rule"], hit["mode"]) for hit in decision.hits] == [("large", "snoozed")]
    assert decision.features["lists"] == (snoozed,)
    blocked = decide(order(country="KP", amount=10**12), lists=(snoozed,))
    assert (blocked.outcome, blocked.risk_score) == (Outcome.DECLINE, 0)
    assert [(hit["rule"], hit["mode"]) for hit in blocked.hits] == [("stop", "live"), ("large", "snoozed")]
    approved = decide(order(amount=10**12), lists=("trusted_users", "snooze:trusted:user_id"))
    assert approved.outcome is Outcome.REVIEW


@pytest.mark.parametrize(
    ("moment", "fires"),
    [
        ("2026-11-30T16:59:59Z", False),
        ("2026-11-30T17:00:00Z", True),
        ("2026-12-02T16:59:59Z", True),
        ("2026-12-02T17:00:00Z", False),
    ],
)
def test_a_rule_is_valid_on_its_business_dates(moment: str, *, fires: bool) -> None:
    decision = decide(order(created_date=datetime.fromisoformat(moment)))
    assert rules_of(decision) == (["sale"] if fires else [])


def test_examples_see_their_history() -> None:
    ruleset = parse_ruleset(RULESET, "f.yaml")
    examples = ruleset.rules[-1].examples
    assert [example.features(ruleset.features)["device_users_24h"] for example in examples] == [2, 1]
    assert [example.expect for example in examples] == [True, False]


def test_included_declarations_become_part_of_the_content(tmp_path: Path) -> None:
    declared, rules = RULESET[: RULESET.index("rules:")].splitlines(), RULESET[RULESET.index("rules:") :]
    (tmp_path / "shared.yaml").write_text("\n".join(declared[2:]))
    main = tmp_path / "main.yaml"
    main.write_text("\n".join([*declared[:2], "include: [shared.yaml]", rules]))
    ruleset = load_ruleset(main)
    assert ruleset.version == parse_ruleset(RULESET, "f.yaml").version
    stored = parse_ruleset(ruleset.content, "stored")
    assert (stored.version, stored.features) == (ruleset.version, ruleset.features)

    (tmp_path / "shared.yaml").write_text("include: [other.yaml]")
    (tmp_path / "other.yaml").write_text("include: [shared.yaml]")
    with pytest.raises(RulesetError, match=r"main.yaml includes shared.yaml includes other.yaml includes shared.yaml"):
        load_ruleset(main)
    main.write_text("review_at: 50\ndecline_at: 90\nrules: []\ninclude: [../../etc/passwd]")
    with pytest.raises(RulesetError, match=r"main.yaml:4:11: include names a YAML file in the same folder"):
        load_ruleset(main)
    main.write_text("review_at: 50\ndecline_at: 90\nrules: []\ninclude: [missing.yaml]")
    with pytest.raises(RulesetError, match=r"main.yaml:4:11: include: .*missing.yaml: cannot be read"):
        load_ruleset(main)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("window: 90s", "window: 30s"), "window is a time from 1m to 30d"),
        (("window: 90s", "window: 9999999d"), "window is a time from 1m to 30d"),
        (("key: [user_id, ip_address]", "key: [user_id, user_id]"), "two different ones"),
        (("key: attributes.terminal_id", "key: attributes.termina_id"), "write attributes.terminal_id"),
        (("aggregate: label_share, ", "aggregate: label_shar, "), "write label_share"),
        (("label: fraud, ", ""), "needs 'label'"),
        (("aggregate: distinct, field", "aggregate: count, field"), "takes no 'field'"),
        (("payment_method in wallets", "payment_methd in wallets"), "f.yaml:9:87: where of feature"),
        (("device_users_24h: {", "hour: {"), "the name 'hour' is taken already"),
        (("large_amount: 3", "class: 3"), "'class' is not a name"),
        (("[OVO, DANA]", "[OVO, 1]"), "values of one type"),
        (("300_000_000", "0x10"), "write it in decimal"),
        (("terminal_id: text", "terminal_id: texts"), "write text"),
        (("kind: trust", "kind: trusted"), "kind is one of block, trust, watch, other, got 'trusted'"),
        (("outcome: approve", "outcome: approve, score: 3"), "a score or an outcome, not both"),
        (("outcome: approve", "outcome: review"), "outcome is one of approve, decline"),
        (("valid_to: 2026-12-02", "valid_to: 2026-11-02"), "is not after its valid_from"),
        (("valid_to: 2026-12-02", "valid_to: soon"), "'soon' is not a date or time"),
        (("expect: true", "expect: maybe"), "expect is one of true, false"),
        (("ago: 23h", "ago: long"), "ago is a time before the order"),
        (("order: {user_id: c,", "order: {country: XX,"), "not a valid order event"),
    ],
)
def test_mistakes_in_declarations_are_named(change: tuple[str, str], expected: str) -> None:
    assert change[0] in RULESET
    with pytest.raises(RulesetError) as caught:
        parse_ruleset(RULESET.replace(*change, 1), "f.yaml")
    assert expected in str(caught.value)
    assert str(caught.value).startswith("f.yaml:")
