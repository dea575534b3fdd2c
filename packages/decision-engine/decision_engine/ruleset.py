"""Rulesets: YAML reviewed in git, checked when loaded, identified by the hash of their content."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal, TypeVar

import orjson
import yaml

from decision_engine.expression import (
    MAX_LENGTH,
    Condition,
    ExpressionError,
    Sentence,
    compile_any,
    compile_condition,
    compile_sentence,
)
from decision_engine.features import Features
from decision_engine.history.declaration import HistoryFeature
from decision_engine.schema import DEFAULT_SCHEMA, Schema
from order_contract.decision import Decision, Outcome
from order_contract.nearest import nearest_name

SEVERITIES = ("low", "medium", "high")
MODES = ("live", "shadow")
MAX_SCORE = 100

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RULE_KEYS = ("id", "description", "when", "severity", "score", "mode", "owner")
_RULESET_KEYS = ("review_at", "decline_at", "rules")


Compiled = TypeVar("Compiled")


class RulesetError(ValueError):
    """A ruleset that is not accepted; the text names file, line and what to write instead."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `description` is the sentence for people, with `{name}` for the values that mattered."""

    id: str
    description: str
    when: str
    severity: str
    score: int
    mode: Literal["live", "shadow"]
    owner: str | None
    condition: Condition
    sentence: Sentence
    when_line: int
    """Where in its file the condition is, for warnings about it."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Rules in order, and the risk scores from which an order is reviewed and declined."""

    version: str
    content: str
    review_at: int
    decline_at: int
    rules: tuple[Rule, ...]
    any_fires: Condition
    features: tuple[HistoryFeature, ...] = ()
    # The last approval without a hit: orders that share their features share it, too.
    _approvals: list[Decision] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._approvals.append(Decision(Outcome.APPROVE, 0, (), {}, self.version))

    def approval(self, features: Features) -> Decision:
        """The decision on an order on which no rule fires."""
        approval = self._approvals[0]
        if approval.features is not features:
            self._approvals[0] = approval = Decision(Outcome.APPROVE, 0, (), features, self.version)
        return approval


def load_ruleset(path: Path | None = None, schema: Schema = DEFAULT_SCHEMA) -> Ruleset:
    """The ruleset in a YAML file; the default rules when `path` is None. Raises RulesetError."""
    if path is None:
        source = resources.files("decision_engine") / "default.yaml"
        return parse_ruleset(source.read_text(encoding="utf-8"), "default.yaml", schema)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"byte {error.start:,} is not UTF-8"
        raise RulesetError(f"{path}: cannot be read ({why}); ORDERWATCH_RULES names a YAML file of rules") from error
    return parse_ruleset(text, str(path), schema)


def parse_ruleset(text: str, name: str, schema: Schema = DEFAULT_SCHEMA) -> Ruleset:
    """The ruleset in YAML `text`, whose rules may use the names of `schema`; errors name `name` as the file.

    Raises RulesetError.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise RulesetError(
            f"{name}:{line}: not YAML from about there on; look at indentation, quotes and brackets, and quote text "
            "that begins with a special character"
        ) from None
    return _RulesetReader(name, schema).ruleset(root, text)


class _RulesetReader:
    """Reads YAML nodes rather than values, as they know their lines."""

    def __init__(self, name: str, schema: Schema) -> None:
        self._name = name
        self._schema = schema

    def ruleset(self, root: yaml.Node | None, text: str) -> Ruleset:
        if root is None:
            raise RulesetError(f"{self._name}:1: the file is empty; it holds review_at, decline_at and rules")
        entries = self._mapping(root, _RULESET_KEYS, required=_RULESET_KEYS, what="a ruleset")
        review_at = self._integer(entries["review_at"], "review_at", 1, MAX_SCORE)
        decline_at = self._integer(entries["decline_at"], "decline_at", review_at, MAX_SCORE + 1)
        nodes = entries["rules"]
        if not isinstance(nodes, yaml.SequenceNode):
            raise self._error(nodes, "rules is a list; start each rule with '- id: ...'")
        rules = tuple(self._rule(node) for node in nodes.value)
        seen: set[str] = set()
        for rule, node in zip(rules, nodes.value, strict=True):
            if rule.id in seen:
                raise self._error(node, f"the rule id '{rule.id}' is used twice; give each rule its own")
            seen.add(rule.id)
        # Of the parsed content, so that comments and layout do not make another version.
        canonical = orjson.dumps(yaml.safe_load(text), option=orjson.OPT_SORT_KEYS)
        version = hashlib.sha256(canonical).hexdigest()[:16]
        any_fires = compile_any((rule.when for rule in rules), self._schema)
        return Ruleset(version, text, review_at, decline_at, rules, any_fires)

    def _rule(self, node: yaml.Node) -> Rule:
        entries = self._mapping(
            node, _RULE_KEYS, required=("id", "description", "when", "severity", "score"), what="a rule"
        )
        rule_id = self._text(entries["id"], "id")
        if _ID.fullmatch(rule_id) is None:
            raise self._error(entries["id"], f"id is lower-case words joined by '-', got '{rule_id}'")
        description = self._text(entries["description"], "description")
        sentence = self._compile(entries["description"], rule_id, compile_sentence)
        condition = self._compile(entries["when"], rule_id, compile_condition)
        mode = self._choice(entries["mode"], "mode", MODES) if "mode" in entries else "live"
        return Rule(
            id=rule_id,
            description=description,
            when=self._text(entries["when"], "when"),
            severity=self._choice(entries["severity"], "severity", SEVERITIES),
            score=self._integer(entries["score"], "score", 0, MAX_SCORE),
            mode="shadow" if mode == "shadow" else "live",
            owner=self._text(entries["owner"], "owner") if "owner" in entries else None,
            condition=condition,
            sentence=sentence,
            when_line=entries["when"].start_mark.line + 1,
        )

    def _compile(self, node: yaml.Node, rule_id: str, compiler: Callable[[str, Schema], Compiled]) -> Compiled:
        try:
            return compiler(self._text(node, "an expression"), self._schema)
        except ExpressionError as error:
            raise self._error(node, f"rule '{rule_id}': {error}") from None

    def _mapping(
        self, node: yaml.Node, known: tuple[str, ...], *, required: tuple[str, ...], what: str
    ) -> Mapping[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"{what} is a mapping with {', '.join(known)}")
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.value not in known:
                hint = _nearest(key.value, known)
                raise self._error(key, f"{what} has no '{key.value}'; there are {', '.join(known)}{hint}")
            if key.value in entries:
                raise self._error(key, f"'{key.value}' is given twice in {what}")
            entries[key.value] = value
        for name in required:
            if name not in entries:
                raise self._error(node, f"{what} needs '{name}'")
        return entries

    def _text(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self._error(node, f"{name} is text")
        return str(node.value).strip()

    def _integer(self, node: yaml.Node, name: str, low: int, high: int) -> int:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:int":
            value = yaml.safe_load(node.value)
            if isinstance(value, int) and low <= value <= high:
                return value
        raise self._error(node, f"{name} is an integer from {low} to {high}")

    def _choice(self, node: yaml.Node, name: str, choices: tuple[str, ...]) -> str:
        value = node.value
        if value not in choices:
            raise self._error(node, f"{name} is one of {', '.join(choices)}, got '{value}'{_nearest(value, choices)}")
        return str(value)

    def _error(self, node: yaml.Node, message: str) -> RulesetError:
        return RulesetError(f"{self._name}:{node.start_mark.line + 1}: {message}")


def _nearest(value: object, known: tuple[str, ...]) -> str:
    """The known name nearest to a value, as the end of an error message."""
    nearest = nearest_name(value[:MAX_LENGTH], {each: each for each in known}) if isinstance(value, str) else None
    return f"; write {nearest}" if nearest else ""
