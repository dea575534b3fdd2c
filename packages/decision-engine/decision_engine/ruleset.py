"""Ruleset files: YAML reviewed in git, checked when loaded, identified by the hash of their content."""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
import yaml

from decision_engine.compilation import ConditionText, compile_all, compile_condition, compile_sentence
from decision_engine.declarations import DECLARATION_KEYS, Source, read_declarations
from decision_engine.examples import Example, read_examples
from decision_engine.expression import ExpressionError
from decision_engine.rule import MAX_SCORE, ControlGroup, Mode, Rule, Ruleset
from decision_engine.schema import DEFAULT_SCHEMA, Schema
from decision_engine.yaml_nodes import MAX_BYTES, NodeReader, RulesetError, compose, shorten
from order_contract.business_time import parse_typed_time
from order_contract.decision import Outcome

__all__ = ["MAX_SCORE", "Mode", "Rule", "Ruleset", "RulesetError", "load_ruleset", "parse_ruleset"]

SEVERITIES: Final = ("low", "medium", "high")
HARD_OUTCOMES: Final = (Outcome.APPROVE.value, Outcome.DECLINE.value)
MOST_RULES: Final = 1_000
MOST_FILES: Final = 20
MAX_TEXT: Final = 2_000

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.ya?ml")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
RULE_KEYS: Final = (
    "id", "description", "when", "severity", "score", "outcome", "mode", "owner", "tags", "valid_from", "valid_to",
    "notes", "tests",
)  # fmt: skip
RULESET_KEYS: Final = ("review_at", "decline_at", "control", "rules", "include", *DECLARATION_KEYS)
CONTROL_KEYS: Final = ("share", "salt")
MOST_CONTROL: Final = 0.2
REQUIRED: Final = ("review_at", "decline_at", "rules")
INCLUDED_KEYS: Final = ("include", *DECLARATION_KEYS)

Compiled = TypeVar("Compiled")


def load_ruleset(path: Path | None = None, schema: Schema = DEFAULT_SCHEMA) -> Ruleset:
    """The ruleset in a YAML file and the files that it includes; the default rules when `path` is None.

    Raises RulesetError.
    """
    if path is None:
        source = resources.files("decision_engine") / "default.yaml"
        return parse_ruleset(source.read_text(encoding="utf-8"), "default.yaml", schema)
    hint = "put it into the folder of the rule file"
    text = _read(path, "ORDERWATCH_RULES names a YAML file of rules")
    return _read_ruleset(text, str(path), schema, lambda name: _read(path.parent / name, hint))


def parse_ruleset(text: str, name: str, schema: Schema = DEFAULT_SCHEMA) -> Ruleset:
    """The ruleset in YAML `text`, whose rules may use the names of `schema`; errors name `name` as the file.

    The text is complete: it includes no files. Raises RulesetError.
    """
    return _read_ruleset(text, name, schema, None)


def _read(path: Path, hint: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = str(error)
        if isinstance(error, UnicodeDecodeError):
            why = f"byte {error.start:,} is not UTF-8"
        elif isinstance(error, OSError):
            why = error.strerror or "unknown reason"
        raise RulesetError(f"{path}: cannot be read ({why}); {hint}") from error
    if len(content) > MAX_BYTES:
        raise RulesetError(f"{path}: is larger than {MAX_BYTES:,} bytes; split it, or check that it holds rules")
    return text


def _read_ruleset(text: str, name: str, schema: Schema, read: Callable[[str], str] | None) -> Ruleset:
    reader = NodeReader(name)
    root = compose(text, name)
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        raise RulesetError(f"{name}:1:1: the file is empty; it holds review_at, decline_at and rules")
    entries = dict(reader.mapping(root, RULESET_KEYS, required=REQUIRED, what="a ruleset"))
    sources: list[Source] = [(reader, entries)]
    _included(sources, read)
    declared, features = read_declarations(sources, schema, read)
    review_at = reader.integer(entries["review_at"], "review_at", 1, MAX_SCORE)
    decline_at = reader.integer(entries["decline_at"], "decline_at", review_at, MAX_SCORE + 1)
    rules = _RuleReader(reader, declared).rules(entries["rules"])
    content = _merged(sources, declared)
    # Of the parsed content, so that comments and layout do not make another version.
    version = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    # Stored, and read again without the files that it includes. JSON is YAML, too.
    is_complete = len(sources) == 1 and not _uses_files(sources)
    return Ruleset(
        version=version,
        content=text if is_complete else orjson.dumps(content, option=orjson.OPT_INDENT_2).decode(),
        review_at=review_at,
        decline_at=decline_at,
        rules=rules,
        find_fired=compile_all([_condition(rule) for rule in rules if rule.mode is not Mode.OFF], declared),
        schema=declared,
        features=features,
        control=_control(reader, entries["control"]) if "control" in entries else None,
    )


def _control(reader: NodeReader, node: yaml.Node) -> ControlGroup:
    entries = reader.mapping(node, CONTROL_KEYS, required=CONTROL_KEYS, what="control")
    share = reader.scalar(entries["share"])
    if not isinstance(share, float) or not 0 < share <= MOST_CONTROL:
        raise reader.error(entries["share"], f"share is a number above 0, at most {MOST_CONTROL}, such as 0.01")
    return ControlGroup(share, reader.text(entries["salt"], "salt"))


def _condition(rule: Rule) -> ConditionText:
    return ConditionText(rule.when, rule.valid_from, rule.valid_before)


def _included(sources: list[Source], read: Callable[[str], str] | None) -> None:
    """Append the files that the first source includes, and those that they include, each once."""
    ((reader, entries),) = sources
    path: tuple[str, ...] = (Path(reader.name).name,)
    pending = [(reader, entries, path)]
    seen = set(path)
    while pending:
        reader, entries, path = pending.pop(0)
        if "include" not in entries:
            continue
        for node in reader.items(entries["include"], "include is a list of files, such as [shared-features.yaml]"):
            name = reader.text(node, "a file to include")
            if _FILE.fullmatch(name) is None:
                raise reader.error(node, f"include names a YAML file in the same folder, got {shorten(name)}")
            if name in path:
                raise reader.error(node, f"{' includes '.join((*path, name))}: a file cannot include itself")
            if read is None:
                raise reader.error(node, f"'{name}' cannot be included here, as this text is not read from a folder")
            if name in seen:
                continue
            if len(seen) >= MOST_FILES:
                raise reader.error(node, f"more than {MOST_FILES} files are included; put some together")
            seen.add(name)
            try:
                text = read(name)
            except RulesetError as error:
                raise reader.error(node, f"include: {error}") from None
            included = NodeReader(str(Path(reader.name).with_name(name)))
            root = compose(text, included.name)
            if root is None:
                raise reader.error(node, f"'{name}' is empty; remove it from include")
            found = included.mapping(root, INCLUDED_KEYS, what="an included file")
            sources.append((included, found))
            pending.append((included, found, (*path, name)))


def _uses_files(sources: list[Source]) -> bool:
    """Whether lists take their values from files, which are part of the content then."""
    return any("file" in each for reader, entries in sources for each in _lists(reader, entries).values())


def _lists(reader: NodeReader, entries: Mapping[str, yaml.Node]) -> dict[str, dict[str, Any]]:
    return reader.plain(entries["lists"]) if "lists" in entries else {}


def _merged(sources: list[Source], declared: Schema) -> dict[str, Any]:
    """The content of all files as one."""
    merged: dict[str, Any] = {}
    for reader, entries in sources:
        for section, node in entries.items():
            if section in DECLARATION_KEYS and section in merged:
                merged[section] = {**merged[section], **reader.plain(node)}
            elif section != "include":
                merged[section] = reader.plain(node)
    for name, entries in merged.get("lists", {}).items():
        if entries.pop("file", None) is not None:
            entries["values"] = sorted(declared.lists[name].values)
    return merged


class _RuleReader:
    """Reads the rules of one file."""

    def __init__(self, reader: NodeReader, schema: Schema) -> None:
        self._reader = reader
        self._schema = schema

    def rules(self, node: yaml.Node) -> tuple[Rule, ...]:
        nodes = self._reader.items(node, "rules is a list; start each rule with '- id: ...'")
        if len(nodes) > MOST_RULES:
            raise self._reader.error(
                nodes[MOST_RULES], f"there are {len(nodes):,} rules, and a ruleset has at most {MOST_RULES:,}"
            )
        rules: dict[str, Rule] = {}
        for each in nodes:
            rule = self._rule(each)
            if rule.id in rules:
                raise self._reader.error(each, f"the rule id '{rule.id}' is used twice; give each rule its own")
            rules[rule.id] = rule
        return tuple(rules.values())

    def _rule(self, node: yaml.Node) -> Rule:
        reader = self._reader
        entries = reader.mapping(node, RULE_KEYS, required=("id", "description", "when", "severity"), what="a rule")
        rule_id = reader.text(entries["id"], "id")
        if _ID.fullmatch(rule_id) is None or len(rule_id) > 100:
            raise reader.error(entries["id"], f"id is lower-case words joined by '-', got {shorten(rule_id)}")
        valid_from = self._moment(entries, "valid_from")
        valid_before = self._moment(entries, "valid_to")
        if valid_from and valid_before and valid_from >= valid_before:
            raise reader.error(entries["valid_to"], f"valid_to of rule '{rule_id}' is not after its valid_from")
        when = reader.text(entries["when"], "when")
        score, outcome = self._effect(node, entries)
        return Rule(
            id=rule_id,
            description=self._text(entries, "description") or "",
            when=when,
            severity=reader.choice(entries["severity"], "severity", SEVERITIES),
            score=score,
            outcome=outcome,
            mode=Mode(reader.choice(entries["mode"], "mode", tuple(Mode)) if "mode" in entries else "live"),
            owner=self._text(entries, "owner"),
            tags=self._tags(entries),
            valid_from=valid_from,
            valid_before=valid_before,
            notes=self._text(entries, "notes"),
            condition=self._compile(
                entries["when"],
                rule_id,
                lambda: compile_condition(ConditionText(when, valid_from, valid_before), self._schema),
            ),
            sentence=self._compile(
                entries["description"],
                rule_id,
                lambda: compile_sentence(reader.text(entries["description"], "description"), self._schema),
            ),
            examples=self._examples(entries),
            when_line=entries["when"].start_mark.line + 1,
        )

    def _effect(self, node: yaml.Node, entries: Mapping[str, yaml.Node]) -> tuple[int, Outcome | None]:
        if "outcome" not in entries:
            if "score" not in entries:
                raise self._reader.error(node, "a rule needs 'score', or 'outcome: approve' or 'outcome: decline'")
            return self._reader.integer(entries["score"], "score", 0, MAX_SCORE), None
        if "score" in entries:
            raise self._reader.error(entries["score"], "a rule has a score or an outcome, not both; remove one")
        return 0, Outcome(self._reader.choice(entries["outcome"], "outcome", HARD_OUTCOMES))

    def _examples(self, entries: Mapping[str, yaml.Node]) -> tuple[Example, ...]:
        return read_examples(self._reader, entries["tests"], self._schema) if "tests" in entries else ()

    def _tags(self, entries: Mapping[str, yaml.Node]) -> tuple[str, ...]:
        if "tags" not in entries:
            return ()
        nodes = self._reader.items(entries["tags"], "tags is a list, such as [voucher, abuse]")
        return tuple(self._reader.text(node, "a tag") for node in nodes)

    def _text(self, entries: Mapping[str, yaml.Node], name: str) -> str | None:
        if name not in entries:
            return None
        text = self._reader.text(entries[name], name)
        if len(text) > MAX_TEXT:
            raise self._reader.error(
                entries[name], f"{name} has at most {MAX_TEXT:,} characters, this one {len(text):,}"
            )
        return text

    def _moment(self, entries: Mapping[str, yaml.Node], name: str) -> datetime | None:
        """The time from which, or before which, a rule is valid; a date as valid_to is valid itself."""
        if name not in entries:
            return None
        text = self._reader.text(entries[name], name)
        try:
            moment = parse_typed_time(text)
        except ValueError as error:
            raise self._reader.error(entries[name], f"{name}: {error}") from None
        return moment + timedelta(days=1) if name == "valid_to" and _DATE.fullmatch(text) else moment

    def _compile(self, node: yaml.Node, rule_id: str, compiler: Callable[[], Compiled]) -> Compiled:
        try:
            return compiler()
        except ExpressionError as error:
            raise self._reader.expression_error(node, f"rule '{rule_id}': {error}", error.offset) from None
