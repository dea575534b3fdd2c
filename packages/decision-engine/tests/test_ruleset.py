"""Rule files: accepted, or refused with file, line and what to write instead."""

from pathlib import Path

import pytest

from decision_engine.ruleset import RulesetError, load_ruleset, parse_ruleset
from decision_engine.schema import Schema

VALID = """\
review_at: 50
decline_at: 90
rules:
  - id: big
    description: Amount {amount:,}.
    when: amount > 10
    severity: low
    score: 50
"""


def test_the_default_rules_are_the_seeds_four() -> None:
    ruleset = load_ruleset()
    assert [rule.id for rule in ruleset.rules] == [
        "critical-hour", "foreign-country", "very-large-order", "large-wallet-payment",
    ]  # fmt: skip
    assert all(rule.score >= ruleset.review_at and rule.mode == "live" for rule in ruleset.rules)


def test_a_version_is_the_hash_of_the_content_not_of_the_layout() -> None:
    version = parse_ruleset(VALID, "a.yaml").version
    assert parse_ruleset("# a comment\n" + VALID.replace("score: 50", "score:   50"), "b.yaml").version == version
    assert parse_ruleset(VALID.replace("amount > 10", "amount > 11"), "a.yaml").version != version


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("when: amount > 10", "when: amont > 10"), "f.yaml:6:11: rule 'big': unknown name 'amont'"),
        (("id: big", "id: Big Rule"), "f.yaml:4:9: id is lower-case words joined by '-', got 'Big Rule'"),
        (("{amount:,}", "{amout}"), "f.yaml:5:18: rule 'big': unknown value '{amout}'"),
        (("{amount:,}", "{amount.__class__}"), "f.yaml:5:18: rule 'big': unknown value"),
        (("{amount:,}", "{amount!r}"), "f.yaml:5:18: rule 'big': unknown value"),
        (("{amount:,}", "{amount:>999999999}"), "f.yaml:5:18: rule 'big': '{amount:>999999999}' is not a format"),
        (("{amount:,}", "{country:,}"), "f.yaml:5:18: rule 'big': '{country:,}' is not a format"),
        (("{amount:,}", "{amount"), "f.yaml:5:18: rule 'big': the description is not a valid template"),
        (("severity: low", "severity: lowest"), "f.yaml:7:15: severity is one of low, medium, high, got 'lowest'"),
        (("score: 50", "score: 101"), "f.yaml:8:12: score is an integer from 0 to 100"),
        (("score: 50", "score: many"), "f.yaml:8:12: score is an integer from 0 to 100"),
        (("    score: 50\n", ""), "f.yaml:4:5: a rule needs 'score'"),
        (("score: 50", "score: 50\n    colour: red"), "f.yaml:9:5: a rule has no 'colour'"),
        (("score: 50", "score: 50\n    score: 60"), "f.yaml:9:5: 'score' is given twice"),
        (("score: 50", "score: 50\n    mode: of"), "f.yaml:9:11: mode is one of live, shadow, off, got 'of'"),
        (("decline_at: 90", "decline_at: 10"), "f.yaml:2:13: decline_at is an integer from 50 to 101"),
        (("rules:", "ruels:"), "f.yaml:3:1: a ruleset has no 'ruels'"),
        (("score: 50", "score: [50"), "not YAML"),
        (("score: 50", "score: " + "[" * 5_000), "nested more than 12 deep"),
        (("when: amount > 10", "when: amont > 10"), "write amount; there are account_created_date, amount"),
        (("severity: low", "severity: hihg"), "got 'hihg'; write high"),
        (("rules:", "ruels:"), "; write rules"),
        (("when: amount > 10", "when: amount >"), "rule 'big': not an expression: at its end"),
        ((VALID, ""), "f.yaml:1:1: the file is empty"),
        ((VALID, "- 1"), "f.yaml:1:1: a ruleset is a mapping"),
    ],
)
def test_mistakes_are_named_with_their_line(change: tuple[str, str], expected: str) -> None:
    with pytest.raises(RulesetError) as caught:
        parse_ruleset(VALID.replace(*change), "f.yaml")
    assert expected in str(caught.value)


def test_two_rules_with_one_id_are_refused() -> None:
    with pytest.raises(RulesetError, match="used twice"):
        parse_ruleset(VALID + VALID[VALID.index("  - id") :], "f.yaml")


def test_a_missing_file_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(RulesetError, match="ORDERWATCH_RULES"):
        load_ruleset(tmp_path / "none.yaml")


def test_a_rule_may_use_the_names_of_the_schema_that_is_passed_in() -> None:
    text = VALID.replace("amount > 10", "orders_last_hour > 3 and amount > 10")
    with pytest.raises(RulesetError, match="unknown name 'orders_last_hour'"):
        parse_ruleset(text, "f.yaml")
    ruleset = parse_ruleset(text, "f.yaml", Schema(fields={"amount": int}, features={"orders_last_hour": int}))
    assert [rule.id for rule in ruleset.rules] == ["big"]
