"""The marketplace pack: complete, in shadow, and each rule as its examples say."""

from importlib import resources

import pytest

from decision_engine.example_runner import ExampleResult, run_examples
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import Mode, Rule, RulesetError, load_ruleset, parse_ruleset

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
