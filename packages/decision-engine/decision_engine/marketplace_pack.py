"""The marketplace pack: rules of fraud that shows in history, which are added to a ruleset in shadow or live."""

from functools import cache, lru_cache
from importlib import resources
from typing import Any

import orjson

from decision_engine.declarations import DECLARATION_KEYS
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from decision_engine.yaml_nodes import NodeReader, compose

NAME = "marketplace_pack.yaml"


def add_marketplace_pack(ruleset: Ruleset, mode: PackMode) -> Ruleset:
    """A ruleset with the pack's rules after its own ones; the outcome's thresholds are the ruleset's.

    What the ruleset declares itself replaces what the pack has of the same name: a parameter sets a threshold of the
    pack, a rule replaces the pack's. Raises RulesetError when the pack's rules cannot use what the ruleset declares.
    """
    if mode is PackMode.OFF:
        return ruleset
    pack, own = _pack(), _plain(ruleset.content, ruleset.version)
    merged = dict(own)
    for section in DECLARATION_KEYS:
        if section in pack or section in own:
            merged[section] = {**pack.get(section, {}), **own.get(section, {})}
    ids = {rule.id for rule in ruleset.rules}
    added = [{**rule, "mode": mode.value} for rule in pack["rules"] if rule["id"] not in ids]
    merged["rules"] = [*own["rules"], *added]
    name = f"{ruleset.version} with the marketplace pack"
    try:
        return parse_ruleset(orjson.dumps(merged, option=orjson.OPT_INDENT_2).decode(), name)
    except RulesetError as error:
        raise RulesetError(
            f"{error}. The ruleset and the pack do not go together: rename what the ruleset declares, or set "
            "ORDERWATCH_MARKETPLACE_PACK to off"
        ) from None


def pack_problem(ruleset: Ruleset, mode: PackMode) -> str | None:
    """Why a ruleset and the pack do not go together; None when they do.

    That depends on what the ruleset declares, so the result is cached while only its rules change.
    """
    if mode is PackMode.OFF:
        return None
    own = _plain(ruleset.content, ruleset.version)
    declared = {section: own[section] for section in DECLARATION_KEYS if section in own}
    return _problem_of(orjson.dumps(declared).decode(), mode)


@lru_cache(maxsize=64)
def _problem_of(declared: str, mode: PackMode) -> str | None:
    text = orjson.dumps({"review_at": 1, "decline_at": 1, "rules": [], **orjson.loads(declared)}).decode()
    try:
        add_marketplace_pack(parse_ruleset(text, "draft"), mode)
    except RulesetError as error:
        return str(error)
    return None


@cache
def _pack() -> dict[str, Any]:
    return _plain((resources.files("decision_engine") / NAME).read_text(encoding="utf-8"), NAME)


def _plain(content: str, name: str) -> dict[str, Any]:
    """The content of an accepted ruleset, as JSON would have it."""
    root = compose(content, name)
    assert root is not None
    plain: dict[str, Any] = NodeReader(name).plain(root)
    return plain
