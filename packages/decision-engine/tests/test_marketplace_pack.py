"""The marketplace pack: complete, in shadow, and each rule as its examples say."""

from importlib import resources

import pytest

from decision_engine.example_runner import ExampleResult, run_examples
from decision_engine.ruleset import Mode, Rule, parse_ruleset

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
