"""The marketplace pack: complete, in shadow, and each rule as its examples say."""

import random
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest

from decision_engine.example_runner import ExampleResult, run_examples
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import Mode, Rule, RulesetError, load_ruleset, parse_ruleset
from order_contract.event import OrderEvent

PACK = parse_ruleset(
    (resources.files("decision_engine") / "marketplace_pack.yaml").read_text(encoding="utf-8"), "marketplace_pack.yaml"
)


@pytest.mark.parametrize("result", [*run_examples(PACK)], ids=lambda each: f"{each.rule.id}: {each.example.name}")
def test_each_example_is_as_expected(result: ExampleResult) -> None:
    assert result.as_expected


@pytest.mark.parametrize("rule", PACK.rules, ids=lambda rule: rule.id)
def test_each_rule_is_in_shadow_with_a_reason_and_examples_of_both_kinds(rule: Rule) -> None:
    assert rule.mode is Mode.SHADOW
    assert rule.notes is not None
    assert "Reason for" in rule.notes
    assert "Legitimate:" in rule.notes
    assert {example.expect for example in rule.examples} == {True, False}


OWN = """
review_at: 40
decline_at: 80
parameters: {most_device_accounts: 9}
features:
  device_accounts_24h: {aggregate: distinct, field: user_id, key: device_id, window: 48h}
rules:
  - {id: rapid-repeats, description: own, when: amount > 7, severity: low, score: 1}
"""


@pytest.mark.parametrize("mode", [PackMode.SHADOW, PackMode.LIVE])
def test_the_pack_is_added_after_the_rules_of_a_ruleset(mode: PackMode) -> None:
    default = load_ruleset()
    combined = add_marketplace_pack(default, mode)
    rules = [*default.rules, *PACK.rules]
    assert [rule.id for rule in combined.rules] == [rule.id for rule in rules]
    assert [rule.mode.value for rule in combined.rules] == ["live"] * len(default.rules) + [mode] * len(PACK.rules)
    assert (combined.review_at, combined.decline_at) == (default.review_at, default.decline_at)
    assert parse_ruleset(combined.content, "stored").version == combined.version != default.version


def test_without_the_pack_a_ruleset_stays_as_it_is() -> None:
    default = load_ruleset()
    assert add_marketplace_pack(default, PackMode.OFF) is default


def test_what_a_ruleset_declares_itself_replaces_what_the_pack_has() -> None:
    combined = add_marketplace_pack(parse_ruleset(OWN, "own.yaml"), PackMode.LIVE)
    assert combined.schema.parameters["most_device_accounts"] == 9
    assert combined.schema.parameters["rapid_orders"] == PACK.schema.parameters["rapid_orders"]
    windows = {feature.name: feature.window for feature in combined.features}
    assert windows["device_accounts_24h"] == 2 * max(
        feature.window for feature in PACK.features if feature.name == "device_accounts_24h"
    )
    assert [rule.when for rule in combined.rules if rule.id == "rapid-repeats"] == ["amount > 7"]
    assert len(combined.rules) == len(PACK.rules)


def test_a_ruleset_that_does_not_go_with_the_pack_is_refused_with_advice() -> None:
    own = parse_ruleset(OWN.replace("most_device_accounts: 9", "most_device_accounts: many"), "own.yaml")
    with pytest.raises(RulesetError, match="ORDERWATCH_MARKETPLACE_PACK to off"):
        add_marketplace_pack(own, PackMode.SHADOW)


def test_all_rules_together_find_what_each_finds_alone() -> None:
    combined = add_marketplace_pack(load_ruleset(), PackMode.SHADOW)
    chance = random.Random(1)
    fired = 0
    for _ in range(2_000):
        order, features = random_order(chance), random_features(chance, list(combined.schema.history))
        alone = [number for number, rule in enumerate(combined.active) if rule.condition(order, features)]
        assert [*combined.find_fired(order, features)] == alone
        fired += len(alone)
    assert fired > 2_000


def random_order(chance: random.Random) -> OrderEvent:
    now = datetime(2026, 1, 15, tzinfo=UTC) + timedelta(hours=chance.randrange(24))
    signed_up = now - timedelta(seconds=chance.choice((-1, 5, 300, 90_000)))
    return OrderEvent(
        "O1", "U1", "P1", chance.choice((1, 400)), chance.choice((1, 6_000_000, 49_000_000, 400_000_000)),
        chance.choice(("IDR", "SGD")), "DANA", chance.choice(("ID", "SG")), now, chance.choice((None, "D1")), None,
        None, None, chance.choice((None, "ID")), chance.choice((None, signed_up)), None,
    )  # fmt: skip


def random_features(chance: random.Random, names: list[str]) -> dict[str, Any]:
    """Values around the pack's thresholds; some are None, and sometimes some are missing, as in an old record."""
    known = names if chance.random() < 0.7 else chance.sample(names, len(names) // 2)
    values = {name: chance.choice((None, 0, 1, 2, 3, 4, 12, 0.5, 40_000, 100_000_000)) for name in known}
    return {"hour": chance.randrange(24), **values}
