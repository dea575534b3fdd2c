"""What a ruleset makes of an order, rule by rule, and which single changes would lead to another outcome.

Every change that is named was tried: the order was evaluated again with it.
"""

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from decision_engine.compilation import LISTS, Condition, compile_condition, compile_value
from decision_engine.evaluate import evaluate
from decision_engine.expression import name_of, names_in
from decision_engine.features import ChangedFeatures, Features, FeatureState
from decision_engine.history.declaration import ATTRIBUTE
from decision_engine.rule import MAX_SCORE, Mode, Rule, Ruleset, snoozed_rules
from decision_engine.schema import Schema
from order_contract.decision import Decision, Outcome
from order_contract.event import MAX_INT64, OrderEvent
from order_contract.money import MAX_AMOUNT

MOST_CHANGES: Final = 20
_MOST_TRIED: Final = 500
_MOST_SHOWN: Final = 80
_HUNDREDTH: Final = 100
_LEAST: Final = {"quantity": 1}
_GREATEST: Final = {"amount": MAX_AMOUNT, "hour": 23}
_VERBS: Final = {Outcome.APPROVE: "approved", Outcome.REVIEW: "sent to review", Outcome.DECLINE: "declined"}
# No value of the contract has a line break in it.
_ANOTHER: Final = "\n"


class Comparison(NamedTuple):
    """One comparison of a rule's condition as it is written, and whether it holds for the order."""

    text: str
    holds: bool


class Change(NamedTuple):
    """A change of one value, or of one rule, that leads to another outcome.

    `instead` is the value nearest to the order's own that does; None when any text does that no rule names. For a list,
    both say whether the order is in it; for a rule, whether it is there.
    """

    name: str
    value: Any
    instead: Any
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule says: `values` are those of the names in its condition, None for one that is absent.

    A rule that is off is evaluated here, too. It counts when it is live and not snoozed for the order.
    """

    rule: Rule
    fires: bool
    is_snoozed: bool
    values: Mapping[str, Any]
    comparisons: Sequence[Comparison]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A decision, what each rule said, and at most 20 changes with another outcome."""

    decision: Decision
    rules: Sequence[RuleResult]
    changes: Sequence[Change]


def examine(event: OrderEvent, state: FeatureState, ruleset: Ruleset) -> WhatIf:
    """Decide an order, and say why: rule by rule, and by what would have changed the outcome.

    As an order that is not in the control group: whether it is says nothing about the order.
    """
    ruleset = replace(ruleset, control=None)
    decision = evaluate(event, state, ruleset)
    features = decision.features
    snoozed = snoozed_rules(features)
    rules = [_result(rule, event, features, ruleset, is_snoozed=rule.id in snoozed) for rule in ruleset.rules]
    changes = islice(_Search(event, state, ruleset, decision).changes(rules), MOST_CHANGES)
    return WhatIf(decision, rules, list(changes))


def _result(rule: Rule, event: OrderEvent, features: Features, ruleset: Ruleset, *, is_snoozed: bool) -> RuleResult:
    values = {name: _value(name, event, features, ruleset) for name in names_in(rule.when)}
    comparisons = [
        Comparison(text, compile_condition(text, ruleset.schema)(event, features)) for text in _comparisons(rule)
    ]
    return RuleResult(rule, rule.condition(event, features), is_snoozed, values, comparisons)


def _comparisons(rule: Rule) -> list[str]:
    """The comparisons of a condition, in the order in which they are written, each once."""
    text = rule.when.strip()
    nodes = [node for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Compare)]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(_source(text, node) for node in nodes))


def _source(text: str, node: ast.Compare) -> str:
    """A comparison as it is written; on one line, so that it can be read by itself."""
    written = ast.get_source_segment(text, node) or ""
    return ast.unparse(node) if "\n" in written or not written else written


def _value(name: str, event: OrderEvent, features: Features, ruleset: Ruleset) -> Any:
    """The value of a name; for a list, whether the order is in it."""
    schema = ruleset.schema
    if name in schema.lists:
        return name in features.get(LISTS, ())
    if isinstance(schema.parameters.get(name), tuple):
        return schema.parameters[name]
    return compile_value(name, schema)(event, features)


class _Search:
    """Looks for single changes of an order that change the outcome of the decision on it."""

    def __init__(self, event: OrderEvent, state: FeatureState, ruleset: Ruleset, decision: Decision) -> None:
        self._event = event
        self._state = state
        self._ruleset = ruleset
        self._decision = decision
        self._tried: set[tuple[str, Any]] = set()
        self._looked = 0
        # What is known of histories and lists is that of the order's own values.
        self._keys = {name for feature in ruleset.features for name in feature.key}
        self._keys.update(each.field for each in ruleset.schema.lists.values())

    def changes(self, rules: Sequence[RuleResult]) -> Iterator[Change]:
        """The changes of values in the order of the rules, then those of rules."""
        counting = [each for each in rules if each.rule.mode is Mode.LIVE and not each.is_snoozed]
        found = [
            change
            for result in counting
            for comparison in result.comparisons
            for change in self._changes_of(comparison.text, result.values)
        ]
        yield from _nearest(found)
        yield from self._without_rules([each.rule for each in counting if each.fires])

    def _changes_of(self, text: str, values: Mapping[str, Any]) -> Iterator[Change]:
        for name in names_in(text):
            if name in self._ruleset.schema.parameters:
                continue
            value = values[name]
            self._looked += 1
            if self._looked > _MOST_TRIED:
                return
            for instead in self._alternatives(name, value, text):
                if (name, instead) in self._tried or len(self._tried) >= _MOST_TRIED:
                    continue
                self._tried.add((name, instead))
                event, state = self._changed(name, instead)
                outcome = evaluate(event, state, self._ruleset).outcome
                if outcome is not self._decision.outcome:
                    yield _change(name, value, instead, outcome, is_list=name in self._ruleset.schema.lists)

    def _alternatives(self, name: str, value: Any, text: str) -> Iterator[Any]:
        """The values next to the order's own with which a comparison turns out otherwise."""
        schema = self._ruleset.schema
        if name in schema.lists:
            if _value(schema.lists[name].field, self._event, {}, self._ruleset) is not None:
                yield not value
        elif isinstance(value, bool):
            yield not value
        elif isinstance(value, (int, float)):
            if not _is_ordering(text) or name in self._keys:
                return
            yield from self._numbers(name, value, compile_condition(text, schema))
        elif isinstance(value, str) and name not in self._keys:
            yield from (each for each in _literals(text, self._ruleset) if each != value)
            yield _ANOTHER

    def _numbers(self, name: str, value: float, condition: Condition) -> Iterator[float]:
        """The nearest numbers above and below with which a comparison turns out otherwise, to two decimals."""
        holds = condition(self._event, self._decision.features)
        unit = 1 if isinstance(value, int) else _HUNDREDTH
        # The place of the value among the numbers that are tried.
        places = {1: math.floor(value * unit), -1: math.ceil(value * unit)}
        for step, start in places.items():

            def flips(place: int) -> bool:
                event, state = self._changed(name, place if unit == 1 else place / unit, recompute=False)
                return condition(event, state.features(event)) is not holds

            end = unit * (_GREATEST.get(name, MAX_INT64) if step > 0 else _LEAST.get(name, 0))
            found = _first_place(start, step, end, flips)
            if found is not None:
                yield found if unit == 1 else found / unit

    def _changed(self, name: str, value: Any, *, recompute: bool = True) -> tuple[OrderEvent, FeatureState]:
        """The order and its features with another value; history features are read again for another order."""
        schema: Schema = self._ruleset.schema
        features: Features = self._decision.features
        state: FeatureState = self._state if recompute else ChangedFeatures(self._state, features)
        if name in schema.lists:
            names: tuple[str, ...] = features.get(LISTS, ())
            changed = (*names, name) if value else tuple(each for each in names if each != name)
            return self._event, ChangedFeatures(self._state, {LISTS: changed})
        if name.startswith(ATTRIBUTE):
            attributes = {**(self._event.attributes or {}), name.removeprefix(ATTRIBUTE): value}
            return self._event._replace(attributes=attributes), state
        if name in OrderEvent._fields:
            return self._event._replace(**{name: value}), state
        return self._event, ChangedFeatures(state, {name: value})

    def _without_rules(self, fired: Sequence[Rule]) -> Iterator[Change]:
        for left_out in fired:
            others = [rule for rule in fired if rule is not left_out]
            score = min(MAX_SCORE, sum(rule.score for rule in others))
            outcome = self._ruleset.outcome(score, [rule.outcome for rule in others if rule.outcome is not None])
            if outcome is not self._decision.outcome:
                sentence = f"Without rule {left_out.id} the order would be {_VERBS[outcome]}."
                yield Change(left_out.id, True, False, outcome, sentence)


def _nearest(changes: Sequence[Change]) -> Iterator[Change]:
    """Of the numbers of one name that lead to one outcome, only the nearest one in each direction."""
    nearest: dict[tuple[str, Outcome, Any], Change] = {}
    for change in changes:
        name, value, instead, outcome, _ = change
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        key = name, outcome, instead > value if is_number else instead
        known = nearest.setdefault(key, change)
        if is_number and abs(instead - value) < abs(known.instead - value):
            nearest[key] = change
    yield from nearest.values()


def _first_place(start: int, step: int, end: int, flips: Callable[[int], bool]) -> int | None:
    """The place nearest to `start` in a direction, up to `end`, from which on a comparison turns out otherwise."""
    near, distance = start, 1
    while True:
        far = start + step * distance
        if (far - end) * step > 0:
            far = end
        if (far - start) * step <= 0:
            return None
        if flips(far):
            break
        if far == end:
            return None
        near, distance = far, distance * 2
    while abs(far - near) > 1:
        middle = (near + far) // 2
        near, far = (near, middle) if flips(middle) else (middle, far)
    return far


def _is_ordering(text: str) -> bool:
    """Whether a comparison is by size alone, so that it turns at one number in each direction."""
    nodes = list(ast.walk(ast.parse(text, mode="eval")))
    compared = [op for node in nodes if isinstance(node, ast.Compare) for op in node.ops]
    return all(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in compared) and not any(
        isinstance(node, (ast.Mod, ast.FloorDiv)) for node in nodes
    )


def _literals(text: str, ruleset: Ruleset) -> Iterator[str]:
    """The texts that a comparison names, itself or by a parameter."""
    for node in ast.walk(ast.parse(text, mode="eval")):
        value: Any = None
        if isinstance(node, ast.Constant):
            value = node.value
        elif isinstance(node, ast.Name):
            value = ruleset.schema.parameters.get(str(name_of(node)))
        several: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
        yield from (each for each in several if isinstance(each, str))


def _change(name: str, value: Any, instead: Any, outcome: Outcome, *, is_list: bool) -> Change:
    result = f"the order would be {_VERBS[outcome]}"
    if is_list:
        sentence = f"If the order were {'in' if instead else 'not in'} list {name}, {result}."
    elif instead == _ANOTHER:
        return Change(name, value, None, outcome, f"With a value of {name} that no rule names {result}.")
    else:
        sentence = f"With {name} {_shown(instead)} instead of {_shown(value)} {result}."
    return Change(name, value, instead, outcome, sentence)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)[:_MOST_SHOWN]
