"""Lists whose members a ruleset names, inline or in a file beside it: they are part of its version."""

from pathlib import Path

import pytest

from decision_engine.example_runner import run_examples
from decision_engine.explanation import explain_difference, explain_rule
from decision_engine.features import EventFeatures
from decision_engine.lists import EntryChange, ListFeatures, ListMembers
from decision_engine.ruleset import RulesetError, load_ruleset, parse_ruleset

RULES = """\
review_at: 50
decline_at: 90
lists:
  sanctioned: {kind: block, field: country, %s}
rules:
  - id: sanctioned
    description: Sanctioned.
    when: country in sanctioned
    severity: high
    outcome: decline
    tests:
      - {order: {country: KP}, expect: true}
      - {order: {country: ID}, expect: false}
      - {order: {country: ID}, lists: [sanctioned], expect: true}
"""
INLINE = RULES % "values: [kp, SY]"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "countries.txt").write_text("# sanctioned\nSY\n\n kp \n")
    path = tmp_path / "rules.yaml"
    path.write_text(RULES % "file: countries.txt")
    return path


def test_values_are_members_beside_the_entries_that_are_added(rules: Path) -> None:
    for ruleset in (parse_ruleset(INLINE, "rules.yaml"), load_ruleset(rules)):
        assert ruleset.schema.lists["sanctioned"].values == {"KP", "SY"}
        assert [result.as_expected for result in run_examples(ruleset)] == [True, True, True]
        members = ListMembers()
        features = ListFeatures(EventFeatures(), members, ruleset)
        order = ruleset.rules[0].examples[1].order
        assert "lists" not in features.features(order)
        assert features.features(order._replace(country="SY"))["lists"] == ("sanctioned",)
        members.apply(1, [EntryChange("sanctioned", "country", "ID", None, True)])
        assert features.features(order)["lists"] == ("sanctioned",)
        members.apply(2, [EntryChange("sanctioned", "country", "SY", None, False)])
        assert features.features(order._replace(country="SY"))["lists"] == ("sanctioned",)
        assert "2 of them by this ruleset" in " ".join(explain_rule(ruleset.rules[0], ruleset))


def test_the_values_of_a_file_are_part_of_the_version_and_the_stored_content(rules: Path) -> None:
    before = load_ruleset(rules)
    stored = parse_ruleset(before.content, "stored")
    assert (stored.version, stored.schema.lists) == (before.version, before.schema.lists)
    (rules.parent / "countries.txt").write_text("SY\nKP\n")
    assert load_ruleset(rules).version == before.version
    (rules.parent / "countries.txt").write_text("SY\nIR\n")
    after = load_ruleset(rules)
    assert after.version != before.version
    assert [*explain_difference(before, after)] == [
        "List sanctioned no longer has KP.",
        "List sanctioned has got IR.",
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("file: none.txt", "rules.yaml:4:51: file: .*none.txt: cannot be read .*; put it into the folder"),
        ("file: ../countries.txt", "file names a .txt file in the same folder"),
        ("file: countries.csv", "file names a .txt file in the same folder"),
        ("file: countries.txt, values: [KP]", "has values or a file, not both"),
        ("file: wrong.txt", 'wrong.txt:2: country must be an ISO 3166 alpha-2 code, got "UK": write GB'),
        ("values: KP", "values of list 'sanctioned' is a list"),
        ("values: [UK]", 'rules.yaml:4:54: country must be an ISO 3166 alpha-2 code, got "UK": write GB'),
        ("values: [1]", "a value is text; put '1' in quotes"),
        ("value: [KP]", "write values"),
        (f"values: [{', '.join(['KP'] * 5_001)}]", "has 5,001 values, and a ruleset's list at most 5,000"),
    ],
)
def test_lists_that_cannot_be_name_what_to_write(rules: Path, entry: str, message: str) -> None:
    (rules.parent / "wrong.txt").write_text("KP\nUK\n")
    rules.write_text(RULES % entry)
    with pytest.raises(RulesetError, match=message):
        load_ruleset(rules)


@pytest.mark.parametrize(
    ("contents", "country", "fires"),
    [("{sanctioned: [id, MY]}", "ID", True), ("{sanctioned: [MY]}", "ID", False), ("{sanctioned: []}", "KP", True)],
)
def test_an_example_can_give_the_contents_of_lists(contents: str, country: str, fires: bool) -> None:
    rules = INLINE.replace(
        "order: {country: ID}, lists: [sanctioned]", f"order: {{country: {country}}}, lists: {contents}"
    )
    *_, result = run_examples(parse_ruleset(rules, "rules.yaml"))
    assert result.fires is fires


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("{sanctoined: [ID]}", "rules.yaml:14:40: .*write sanctioned"),
        ("{sanctioned: ID}", "the values of list 'sanctioned' are a list"),
        ("{sanctioned: [UK]}", "write GB"),
        ("sanctioned", "lists is a list of names, or has values by name"),
    ],
)
def test_contents_of_lists_that_cannot_be_name_what_to_write(contents: str, message: str) -> None:
    with pytest.raises(RulesetError, match=message):
        parse_ruleset(INLINE.replace("lists: [sanctioned]", f"lists: {contents}"), "rules.yaml")


def test_text_alone_reads_no_file() -> None:
    with pytest.raises(RulesetError, match="this text is not read from a folder"):
        parse_ruleset(RULES % "file: countries.txt", "rules.yaml")
