"""JSON Schema of ruleset files, with which editors complete and check them while they are written."""

from collections.abc import Iterable, Mapping
from typing import Any

from decision_engine.declarations import (
    ATTRIBUTE_TYPES,
    LABELS,
    LIST_KEYS,
    LIST_KINDS,
    MOST_VALUES,
    NUMBER_FIELDS,
)
from decision_engine.examples import EXAMPLE_KEYS
from decision_engine.expression import MAX_LENGTH
from decision_engine.history.declaration import OVER_LABELS, OVER_NUMBERS, OVER_TEXTS, Aggregate
from decision_engine.rule import MAX_SCORE, Mode
from decision_engine.ruleset import (
    CONTROL_KEYS,
    HARD_OUTCOMES,
    INCLUDED_KEYS,
    MAX_TEXT,
    MOST_CONTROL,
    MOST_RULES,
    REQUIRED,
    RULE_KEYS,
    RULESET_KEYS,
    SEVERITIES,
)

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_EXPRESSION: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}
_CONSTANT: Schema = {"type": ["string", "number", "boolean"]}
_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
_PERIOD: Schema = {"type": "string", "pattern": "^[1-9][0-9]{0,7}[smhd]$"}


def ruleset_schema() -> Schema:
    """The schema of a ruleset file. What it cannot say, such as the types of expressions, `rules lint` checks."""
    sections: Mapping[str, Schema] = {
        "review_at": _integer(1, MAX_SCORE, "The risk score from which an order is reviewed."),
        "decline_at": _integer(1, MAX_SCORE + 1, "The risk score from which an order is declined."),
        "control": {
            **_object(
                {"share": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_CONTROL}, "salt": _TEXT},
                CONTROL_KEYS,
            ),
            "description": "The share of orders that are approved although their score would flag them, marked so.",
        },
        "include": {
            "description": "Files of the same folder with declarations that this file uses, too.",
            "type": "array",
            "items": {"type": "string", "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.ya?ml$"},
        },
        "parameters": _named({"oneOf": [_CONSTANT, {"type": "array", "items": _CONSTANT, "minItems": 1}]}),
        "attributes": _named({"enum": list(ATTRIBUTE_TYPES)}),
        "lists": _named(_list()),
        "features": _named(_feature()),
        "rules": {"type": "array", "maxItems": MOST_RULES, "items": _rule()},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Orderwatch ruleset",
        **_object({name: sections[name] for name in RULESET_KEYS}, ()),
        # A file with neither rules nor thresholds is one that others include.
        "if": {"anyOf": [{"required": [name]} for name in RULESET_KEYS if name not in INCLUDED_KEYS]},
        "then": {"required": list(REQUIRED)},
    }


def _list() -> Schema:
    properties: Mapping[str, Schema] = {
        "kind": {"enum": list(LIST_KINDS)},
        "field": {"type": "string"},
        "values": {
            "description": "Members by the ruleset, besides the entries that are added while it runs.",
            "type": "array",
            "maxItems": MOST_VALUES,
            "items": _TEXT,
        },
        "file": {
            "description": "A text file of the same folder with such members, one per line.",
            "type": "string",
            "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.txt$",
        },
    }
    return {
        **_object({name: properties[name] for name in LIST_KEYS}, ("kind", "field")),
        "not": {"required": ["values", "file"]},
    }


def _feature() -> Schema:
    over_fields = OVER_NUMBERS | OVER_TEXTS
    field: Schema = {"type": "string"}
    return {
        **_object(
            {
                "aggregate": {"enum": [each.value for each in Aggregate]},
                "field": field,
                "key": {"oneOf": [field, {"type": "array", "items": field, "minItems": 1, "maxItems": 2}]},
                "window": _PERIOD,
                "where": _EXPRESSION,
                "label": {"enum": list(LABELS)},
            },
            ("aggregate", "key", "window"),
        ),
        "allOf": [
            _when_aggregate(sorted(OVER_LABELS), {"required": ["label"]}),
            _when_aggregate(sorted(set(Aggregate) - OVER_LABELS), {"properties": {"label": False}}),
            _when_aggregate(sorted(over_fields), {"required": ["field"]}),
            _when_aggregate(sorted(set(Aggregate) - over_fields), {"properties": {"field": False}}),
            _when_aggregate(sorted(OVER_NUMBERS), {"properties": {"field": {"enum": list(NUMBER_FIELDS)}}}),
        ],
    }


def _when_aggregate(names: Iterable[str], then: Schema) -> Schema:
    return {
        "if": {"properties": {"aggregate": {"enum": [str(name) for name in names]}}, "required": ["aggregate"]},
        "then": then,
    }


def _rule() -> Schema:
    properties: Mapping[str, Schema] = {
        "id": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 100},
        "description": {**_TEXT, "description": "The sentence for people, with {name} for values that mattered."},
        "when": {**_EXPRESSION, "description": "When the rule fires: amount > 10 and country == 'ID'."},
        "severity": {"enum": list(SEVERITIES)},
        "score": _integer(0, MAX_SCORE, "Added to the risk score."),
        "outcome": {"enum": list(HARD_OUTCOMES), "description": "Makes a hard rule, instead of a score."},
        "mode": {"enum": [each.value for each in Mode]},
        "owner": _TEXT,
        "tags": {"type": "array", "items": _TEXT},
        "valid_from": {"type": "string", "description": "A date or time, in business time."},
        "valid_to": {"type": "string", "description": "A date, which is included, or a time."},
        "notes": _TEXT,
        "tests": {"type": "array", "items": _example()},
    }
    required = ("id", "description", "when", "severity")
    return {
        **_object({name: properties[name] for name in RULE_KEYS}, required),
        "oneOf": [{"required": ["score"]}, {"required": ["outcome"]}],
    }


def _example() -> Schema:
    history: Schema = {
        "type": "object",
        "properties": {"ago": _PERIOD, "repeat": _integer(1, 1_000, "How many."), "label": {"enum": list(LABELS)}},
    }
    properties: Mapping[str, Schema] = {
        "name": _TEXT,
        "order": {"type": "object"},
        "history": {"type": "array", "items": history},
        "lists": {
            "oneOf": [
                {"type": "array", "items": {"type": "string"}},
                {"type": "object", "additionalProperties": {"type": "array"}},
            ]
        },
        "expect": {"type": "boolean"},
    }
    return _object({name: properties[name] for name in EXAMPLE_KEYS}, ("order", "expect"))


def _object(properties: Mapping[str, Schema], required: Iterable[str]) -> Schema:
    return {
        "type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False
    }  # fmt: skip


def _named(value: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": value}


def _integer(low: int, high: int, description: str) -> Schema:
    return {"description": description, "type": "integer", "minimum": low, "maximum": high}
