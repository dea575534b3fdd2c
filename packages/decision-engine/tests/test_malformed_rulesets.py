"""Malformed and malicious rule files are refused with one message each; the JSON Schema agrees with the parser."""

import copy
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from decision_engine.json_schema import ruleset_schema
from decision_engine.ruleset import RulesetError, load_ruleset, parse_ruleset
from decision_engine.yaml_nodes import NodeReader, compose

SCHEMA = jsonschema_rs.validator_for(ruleset_schema())
DOCS = Path(__file__).parents[3] / "docs"

FULL = """\
review_at: 50
decline_at: 90
parameters: {large: 300_000_000, wallets: [OVO, DANA], ratio: 1.5, strict: true, country: "NO"}
attributes: {terminal_id: text, sessions: integer}
lists: {blocked: {kind: block, field: device_id}}
features:
  users: {aggregate: distinct, field: user_id, key: device_id, window: 24h}
  average: {aggregate: avg, field: amount, key: [user_id, ip_address], window: 90s, where: amount > 3}
  frauds: {aggregate: label_count, label: fraud, key: attributes.terminal_id, window: 30d}
rules:
  - {id: a, description: A., when: device_id in blocked, outcome: decline, severity: low, mode: off, owner: x,
     tags: [b]}
  - id: c
    description: "{users} users."
    when: users >= 2 and amount > large
    score: 50
    severity: medium
    valid_from: 2026-01-01
    valid_to: 2026-12-31T12:00
    notes: Families share devices.
    tests:
      - {name: n, order: {device_id: d, amount: 3}, history: [{user_id: b, ago: 5m, repeat: 3, label: fraud}],
         lists: [blocked], expect: false}
""".replace('country: "NO"', 'region: "NO"')

RULE = "  - {id: a, description: A., when: amount > 1, score: 1, severity: low}\n"
HEAD = "review_at: 50\ndecline_at: 90\n"
BOMB = "a: &a [1]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)

MALICIOUS: dict[str, bytes] = {
    "alias bomb": BOMB.encode(),
    "anchor": (HEAD + "rules: &a\n" + RULE).encode(),
    "alias to itself": b"&a [*a]",
    "merge key": (HEAD + "<<: {rules: []}\n").encode(),
    "tag": (HEAD + "rules: !!python/object/apply:os.system ['true']\n").encode(),
    "tag of a scalar": (HEAD + "rules: !!binary aGVsbG8=\n").encode(),
    "two documents": (HEAD + "rules: []\n---\nrules: []\n").encode(),
    "deep lists": (HEAD + "rules: " + "[" * 100_000).encode(),
    "deep mappings": (HEAD + "rules: " + "{a: " * 50_000).encode(),
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(900)).encode(),
    "deep parentheses": (HEAD + "rules:\n" + RULE.replace("amount > 1", "(" * 900 + "amount" + ")" * 900)).encode(),
    "many nots": (HEAD + "rules:\n" + RULE.replace("amount > 1", "not " * 400 + "strict")).encode(),
    "many rules": (HEAD + "rules:\n" + "".join(RULE.replace("id: a", f"id: a{n}") for n in range(10_000))).encode(),
    "many values": (HEAD + "rules: [" + "1," * 200_000 + "]").encode(),
    "huge": b"# " + b"x" * 1_000_001,
    "huge key": (HEAD + "x" * 500_000 + ": 1").encode(),
    "huge number": (HEAD + "parameters: {a: " + "9" * 10_000 + "}\nrules: []").encode(),
    "NUL": (HEAD + "rules: [\0]").encode(),
    "escape character": (HEAD + "rules: [\x1b[2J]").encode(),
    "NUL, escaped": (HEAD + "rules:\n" + RULE.replace("A.", '"\\0"').replace("id: a", "id: A")).encode(),
    "not UTF-8": b"rules: \xff",
    "UTF-16": HEAD.encode("utf-16"),
    "binary": bytes(range(256)),
    "empty": b"",
    "comment only": b"# nothing",
    "only null": b"~",
    "text": b"rules",
    "tab": b"rules:\n\t- a",
    "list": b"- 1",
    "mapping as key": (HEAD + "? {a: 1}\n: 2\n").encode(),
    "list as name": (HEAD + "rules: []\nparameters: {[a]: 1}").encode(),
    "same key twice": (HEAD + "rules: []\nrules: []").encode(),
    "same parameter twice": (HEAD + "rules: []\nparameters: {a: 1, a: 2}").encode(),
    "includes itself": (HEAD + "rules: []\ninclude: [rules.yaml]").encode(),
    "includes a folder": (HEAD + "rules: []\ninclude: [/etc]").encode(),
    "octal": (HEAD + "rules: []\nparameters: {a: 0777}").encode(),
    "sexagesimal": (HEAD + "rules: []\nparameters: {a: 1:30}").encode(),
    "infinite": (HEAD + "rules: []\nparameters: {a: .inf}").encode(),
    "not a number": (HEAD + "rules: []\nparameters: {a: .nan}").encode(),
    "reserved name": (HEAD + "rules: []\nparameters: {lists: 1}").encode(),
    "dunder": (HEAD + "rules:\n" + RULE.replace("amount > 1", "amount.__class__ == 1")).encode(),
    "import": (HEAD + "rules:\n" + RULE.replace("amount > 1", "__import__('os').system('true') == 0")).encode(),
    "power": (HEAD + "rules:\n" + RULE.replace("amount > 1", "9 ** 9 ** 9 > 1")).encode(),
    "format of attributes": (HEAD + "rules:\n" + RULE.replace("A.", '"{amount.__class__}"')).encode(),
    "format of a width": (HEAD + "rules:\n" + RULE.replace("A.", '"{amount:9999999999}"')).encode(),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_files_give_one_usable_message(name: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(MALICIOUS[name])
    with pytest.raises(RulesetError) as caught:
        load_ruleset(file)
    message = str(caught.value)
    assert message.startswith(f"{file}:")
    assert len(message) < 1_000
    assert "\n" not in message
    assert message.isprintable()


def value_of(text: str) -> Any:
    root = compose(text, "f.yaml")
    assert root is not None
    return NodeReader("f.yaml").plain(root)


WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**30, 0.5, "", " ", "x", "1h", "a: b", [], [[]], ["x"], {}, {"x": 1}, {"": None}, "é\u2028",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        yield from places(member, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    if not path:
        return wrong
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], wrong)
    return changed


def accepts(text: str) -> bool:
    """Whether the parser accepts a text; anything but RulesetError fails the test."""
    message = None
    try:
        parse_ruleset(text, "f.yaml")
    except RulesetError as error:
        message = str(error)
    assert message is None or (message.startswith("f.yaml:") and len(message) < 2_000)
    return message is None


def test_a_wrong_value_anywhere_is_refused_or_means_what_the_schema_allows() -> None:
    full = value_of(FULL)
    assert accepts(FULL)
    assert SCHEMA.is_valid(full)
    refused = accepted = 0
    for path in places(full):
        for wrong in WRONG:
            changed = replaced(full, path, wrong)
            if accepts(json.dumps(changed, ensure_ascii=False)):
                accepted += 1
                assert SCHEMA.is_valid(changed), (path, wrong)
            else:
                refused += 1
    assert refused > 500
    assert accepted < refused


@pytest.mark.parametrize(
    "change",
    [
        ("score: 50", "colour: red"), ("severity: low", "severity: none"), ("mode: off", "mode: of"),
        ("outcome: decline", "outcome: review"), ("outcome: decline", "outcome: decline, score: 3"),
        ("review_at: 50", "review_at: many"), ("window: 24h", "window: day"), ("aggregate: avg", "aggregate: mean"),
        ("field: user_id, ", ""), ("label: fraud, ", ""), ("kind: block", "kind: black"), ("id: c", "id: C c"),
        ("[OVO, DANA]", "[]"), ("sessions: integer", "sessions: int"), ("expect: false", "expect: no"),
        ("repeat: 3", "repeat: 0"), ("decline_at: 90\n", ""), ("rules:", "ruels:"), ("field: amount", "field: email"),
    ],
)  # fmt: skip
def test_schema_and_parser_refuse_the_same_mistakes(change: tuple[str, str]) -> None:
    text = FULL.replace(*change, 1)
    assert text != FULL
    assert not accepts(text)
    assert not SCHEMA.is_valid(value_of(text))


def test_the_schema_accepts_the_packaged_rules_and_a_file_that_others_include() -> None:
    for file in ("default.yaml", "marketplace_pack.yaml"):
        text = (resources.files("decision_engine") / file).read_text(encoding="utf-8")
        assert accepts(text)
        assert SCHEMA.is_valid(value_of(text))
    assert SCHEMA.is_valid({"parameters": {"a": 1}, "include": ["b.yaml"]})


def test_the_published_schema_is_the_one_of_this_release() -> None:
    assert json.loads((DOCS / "ruleset.schema.json").read_text()) == ruleset_schema()
