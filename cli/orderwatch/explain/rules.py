"""The rules: each one's condition, the values that it saw, and whether it fires."""

import ast
from collections.abc import Mapping
from functools import lru_cache

from decision_engine.ruleset import Rule, Ruleset, RulesetError, parse_ruleset
from order_contract.event import OrderEvent
from orderwatch.explain.evidence import OrderEvidence
from orderwatch.explain.nested import stored_features
from orderwatch.explain.section import Section


def rules_section(evidence: OrderEvidence) -> Section:
    """The ruleset that decided the order, evaluated on the stored values."""
    row = evidence.row
    ruleset = read_ruleset(evidence)
    if isinstance(ruleset, str):
        return Section("rules", f"Ruleset {row.ruleset_version}", notes=[ruleset])
    event, features = row.event(), stored_features(row)
    return Section(
        "rules",
        f"Ruleset {ruleset.version}, on the stored values",
        facts={"review_at": ruleset.review_at, "decline_at": ruleset.decline_at},
        rows=[_row(rule, event, features) for rule in ruleset.rules],
    )


def read_ruleset(evidence: OrderEvidence) -> Ruleset | str:
    """The ruleset that decided the order, or why it cannot be had."""
    version = evidence.row.ruleset_version
    if evidence.ruleset is None:
        return f"ruleset {version} is not in table rulesets"
    return _parsed(version, evidence.ruleset)


@lru_cache(maxsize=100)  # many orders share a ruleset, and reading YAML takes longer than all the rest
def _parsed(version: str, text: str) -> Ruleset | str:
    try:
        return parse_ruleset(text, f"ruleset {version}")
    except RulesetError as error:
        return f"ruleset {version} is not accepted by this version of the rules: {error}"


def _row(rule: Rule, event: OrderEvent, features: Mapping[str, object]) -> dict[str, object]:
    known = {**event._asdict(), **features}
    try:
        fired: object = rule.condition(event, features)
    except (KeyError, TypeError) as error:
        fired = f"cannot be evaluated: {error!r}"
    return {
        "rule": rule.id,
        "mode": rule.mode,
        "score": rule.score,
        "when": rule.when,
        "values": {name: known.get(name) for name in _names(rule.when)},
        "fires": fired,
    }


def _names(expression: str) -> list[str]:
    """The names in an expression, in the order in which they are written."""
    names = [node for node in ast.walk(ast.parse(expression.strip(), mode="eval")) if isinstance(node, ast.Name)]
    names.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in names))
