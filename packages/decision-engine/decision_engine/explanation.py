"""Rules and the differences of rulesets in sentences, for people who do not read expressions."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from decision_engine.expression import name_of, names_in
from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.rule import Mode, Rule, Ruleset
from decision_engine.schema import OrderList
from order_contract.business_time import business_text

_COMPARISONS: Final[Mapping[type, str]] = {
    ast.Eq: "is", ast.NotEq: "is not", ast.Lt: "is below", ast.LtE: "is at most", ast.Gt: "is above",
    ast.GtE: "is at least", ast.In: "is one of", ast.NotIn: "is none of",
}  # fmt: skip
_MODES: Final = {
    Mode.LIVE: "It is live: it takes part in decisions.",
    Mode.SHADOW: "It is in shadow: it is recorded and takes no part in decisions.",
    Mode.OFF: "It is off: it is not evaluated.",
}
_AGGREGATES: Final[Mapping[Aggregate, str]] = {
    Aggregate.COUNT: "the number", Aggregate.SUM: "the sum of {field}", Aggregate.AVERAGE: "the average {field}",
    Aggregate.MINIMUM: "the least {field}", Aggregate.MAXIMUM: "the greatest {field}",
    Aggregate.DEVIATION: "the standard deviation of {field}",
    Aggregate.DISTINCT: "the number of different values of {field}",
    Aggregate.SECONDS_SINCE_FIRST: "the seconds since the first",
    Aggregate.SECONDS_SINCE_LAST: "the seconds since the last",
    Aggregate.RATIO_TO_AVERAGE: "the order's {field} divided by the average {field}",
    Aggregate.LABEL_COUNT: "the number labelled {label}", Aggregate.LABEL_SHARE: "the share labelled {label}",
    Aggregate.LABEL_DISTINCT: "the number of different values of {field} of those labelled {label}",
}  # fmt: skip
_SHOWN_VALUES: Final = 20
_COMPARED: Final = ("description", "when", "severity", "score", "outcome", "mode", "owner", "tags", "valid_from",
                    "valid_before", "notes")  # fmt: skip


def explain_rule(rule: Rule, ruleset: Ruleset) -> Iterator[str]:
    """What a rule does, one sentence per line."""
    effect = f"adds {rule.score} to the risk score of an order"
    if rule.outcome is not None:
        effect = f"{'approves' if rule.outcome == 'approve' else 'declines'} an order, whatever its risk score,"
    condition = ast.parse(rule.when.strip(), mode="eval").body
    yield f"Rule {rule.id} ({rule.severity} severity) {effect} when {_phrase(condition, ruleset)}."
    yield _MODES[rule.mode]
    names = names_in(rule.when)
    yield from (f"{each.name} is {_feature_phrase(each)}." for each in ruleset.features if each.name in names)
    for each in (ruleset.schema.lists[name] for name in names if name in ruleset.schema.lists):
        by_ruleset = f", {len(each.values):,} of them by this ruleset" if each.values else ""
        yield f"{each.name} is a {each.kind} list of values of {each.field}{by_ruleset}."
    absent = sorted(name for name in names if name in ruleset.schema.may_be_absent)
    if absent:
        yield f"An order may lack {', '.join(absent)}: a comparison with a value that is not there is false."
    if rule.valid_from:
        yield f"It holds for orders placed from {business_text(rule.valid_from)} on."
    if rule.valid_before:
        yield f"It holds for orders placed before {business_text(rule.valid_before)}."
    if rule.owner:
        yield f"Its owner is {rule.owner}."
    if rule.tags:
        yield f"Its tags are {', '.join(rule.tags)}."
    if rule.notes:
        yield rule.notes
    yield f"It has {len(rule.examples)} examples."


def _phrase(node: ast.expr, ruleset: Ruleset) -> str:  # noqa: PLR0911  (one return per kind of node)
    """An expression as part of a sentence."""
    match node:
        case ast.BoolOp(op=op, values=values):
            word = " and " if isinstance(op, ast.And) else " or "
            return word.join(
                f"({_phrase(each, ruleset)})" if isinstance(each, ast.BoolOp) else _phrase(each, ruleset)
                for each in values
            )
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"it is not so that ({_phrase(operand, ruleset)})"
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [left, *comparators]
            return " and ".join(
                _comparison(sides[number], op, sides[number + 1], ruleset) for number, op in enumerate(ops)
            )
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return ", ".join(_phrase(each, ruleset) for each in elements)
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return f"{number:,}"
        case ast.Name(id=name) if name in ruleset.schema.parameters:
            value: Any = ruleset.schema.parameters[name]
            return f"{name} ({_value(value)})"
    return name_of(node) or ast.unparse(node)


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr, ruleset: Ruleset) -> str:
    if isinstance(op, (ast.Is, ast.IsNot)):
        return f"{_phrase(left, ruleset)} is {'absent' if isinstance(op, ast.Is) else 'there'}"
    word = _COMPARISONS[type(op)]
    if isinstance(right, ast.Name) and right.id in ruleset.schema.lists:
        word = "is in list" if isinstance(op, ast.In) else "is not in list"
    return f"{_phrase(left, ruleset)} {word} {_phrase(right, ruleset)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_value(each) for each in value)
    return f"{value:,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _feature_phrase(feature: HistoryFeature) -> str:
    what = _AGGREGATES[feature.aggregate].format(field=feature.field, label=feature.label)
    orders = f"of the other orders with the same {' and '.join(feature.key)} in the {_window(feature)} before the order"
    return f"{what} {orders}" + (f", where {feature.where}" if feature.where else "")


def _window(feature: HistoryFeature) -> str:
    seconds = feature.window // SECOND
    for name, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % length == 0 and seconds > length:
            return f"{seconds // length} {name}"
    return f"{seconds} seconds"


def explain_difference(before: Ruleset, after: Ruleset) -> Iterator[str]:
    """How one ruleset differs from another, one sentence per line; nothing when their content is the same."""
    if before.version == after.version:
        return
    found = [*_difference(before, after)]
    yield from found or ["Both mean the same, and are written in different ways."]


def _difference(before: Ruleset, after: Ruleset) -> Iterator[str]:
    for name in ("review_at", "decline_at"):
        yield from _changed(name, getattr(before, name), getattr(after, name))
    yield from _changed("control", _control(before), _control(after))
    for kind, old, new in (
        ("Parameter", before.schema.parameters, after.schema.parameters),
        ("Attribute", before.schema.attributes, after.schema.attributes),
        ("List", before.schema.lists, after.schema.lists),
        ("Feature", _by_name(before), _by_name(after)),
    ):
        yield from _changed_names(kind, old, new)
    old_rules = {rule.id: rule for rule in before.rules}
    new_rules = {rule.id: rule for rule in after.rules}
    yield from (f"Rule {name} is removed." for name in old_rules if name not in new_rules)
    for name, rule in new_rules.items():
        if name not in old_rules:
            yield f"Rule {name} is added: {next(explain_rule(rule, after))}"
            continue
        for attribute in _COMPARED:
            yield from _changed(
                f"Rule {name}: {attribute}", getattr(old_rules[name], attribute), getattr(rule, attribute)
            )
        if _examples(old_rules[name]) != _examples(rule):
            yield f"Rule {name}: its examples are other ones."
    common = [name for name in old_rules if name in new_rules]
    if common != [name for name in new_rules if name in old_rules]:
        yield "The rules are in another order, and so are the hits of an order."


def _control(ruleset: Ruleset) -> str | None:
    control = ruleset.control
    return None if control is None else f"{control.share:.4%} of the orders, with salt '{control.salt}'"


def _by_name(ruleset: Ruleset) -> Mapping[str, str]:
    return {feature.name: _feature_phrase(feature) for feature in ruleset.features}


def _examples(rule: Rule) -> list[tuple[object, ...]]:
    return [(each.name, each.order, each.history, each.lists, each.expect) for each in rule.examples]


def _changed_names(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{kind} {name} is removed." for name in old if name not in new)
    yield from (f"{kind} {name} is added: {_shown(new[name])}." for name in new if name not in old)
    for name in new:
        if name not in old:
            continue
        if isinstance(new[name], OrderList):
            yield from _changed_list(old[name], new[name])
        else:
            yield from _changed(f"{kind} {name}", old[name], new[name])


def _changed_list(old: OrderList, new: OrderList) -> Iterator[str]:
    yield from _changed(f"List {new.name}", replace(old, values=frozenset()), replace(new, values=frozenset()))
    for verb, values in (("no longer has", old.values - new.values), ("has got", new.values - old.values)):
        if values:
            more = f" and {len(values) - _SHOWN_VALUES:,} more" if len(values) > _SHOWN_VALUES else ""
            yield f"List {new.name} {verb} {', '.join(sorted(values)[:_SHOWN_VALUES])}{more}."


def _changed(what: str, old: object, new: object) -> Iterator[str]:
    if (old, type(old)) != (new, type(new)):
        yield f"{what} was {_shown(old)} and is {_shown(new)}."


def _shown(value: object) -> str:
    if isinstance(value, type):
        return {"str": "text", "int": "integer", "float": "number", "bool": "boolean"}[value.__name__]
    if isinstance(value, OrderList):
        values = f" with {', '.join(sorted(value.values)[:_SHOWN_VALUES])}" if value.values else ""
        more = f" and {len(value.values) - _SHOWN_VALUES:,} more" if len(value.values) > _SHOWN_VALUES else ""
        return f"a {value.kind} list by {value.field}{values}{more}"
    return "nothing" if value is None else _value(value)
