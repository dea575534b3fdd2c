"""Rules suggested from labelled orders: paths of decision trees, as conditions that the engine evaluates.

One rule after the other: a small tree is learned on the orders that the rules before do not flag, and of its leaves the
one with the highest lower bound of precision becomes a rule, as long as the reviews of a day allow it.
"""

import importlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import yaml

from decision_engine.proportion import Proportion
from decision_engine.rule import Ruleset
from decision_engine.ruleset import RulesetError, parse_ruleset
from order_contract.event import OrderEvent
from order_platform.command_line.errors import UsageError

MOST_RULES: Final = 5
DEPTH: Final = 3
LEAST_HITS: Final = 10
"""Labelled orders that a rule fires on at least."""
MOST_CATEGORIES: Final = 8
ABSENT: Final = -1.0
"""In the tree, for a value that an order lacks; conditions on it are false, as in the engine."""

_NUMBERS: Final = ("amount", "quantity")
_CATEGORIES: Final = ("country", "payment_method", "currency")


class Candidate(NamedTuple):
    """A past order with the features that rules see, and whether it is fraud; None when it has no label.

    `weight` is the number of orders that it is a sample of.
    """

    event: OrderEvent
    features: Mapping[str, Any]
    is_fraud: bool | None
    weight: int = 1

    def value(self, name: str) -> Any:
        """The value of a feature or field; None when the order lacks it."""
        return self.features.get(name, getattr(self.event, name, None))


class Column(NamedTuple):
    """A number of an order, or with `category` whether a field has that value."""

    name: str
    category: str | None = None

    def value(self, candidate: Candidate) -> float:
        found = candidate.value(self.name)
        if self.category is not None:
            return float(found == self.category)
        return ABSENT if found is None else float(found)


class Condition(NamedTuple):
    """A column that is above, or not above, a threshold."""

    column: Column
    is_above: bool
    threshold: float

    @property
    def expression(self) -> str:
        name, category = self.column
        if category is not None:
            return f"{name} {'==' if self.is_above else '!='} {category!r}"
        number = f"{math.floor(self.threshold)}" if self.threshold >= 100 else f"{self.threshold:.4g}"
        return f"{name} {'>' if self.is_above else '<='} {number}"

    def holds(self, value: float) -> bool:
        if self.column.category is not None:
            return (value > self.threshold) == self.is_above
        limit = float(self.expression.split()[-1])
        return value != ABSENT and (value > limit) == self.is_above


class Suggestion(NamedTuple):
    """A rule's condition, the fraud among its labelled hits, and its hits, on the orders that it was learned from."""

    conditions: Sequence[Condition]
    precision: Proportion
    hits: int

    @property
    def expression(self) -> str:
        return " and ".join(condition.expression for condition in self.conditions)


def find_suggestions(candidates: Sequence[Candidate], days: float, reviews_a_day: float) -> Sequence[Suggestion]:
    """Rules, the most certain one first, that together flag at most so many orders a day. Raises UsageError."""
    tree_module = _import_trees()
    columns = _columns(candidates)
    rows = [[column.value(candidate) for column in columns] for candidate in candidates]
    left = list(range(len(candidates)))
    budget, found = reviews_a_day * days, list[Suggestion]()
    while len(found) < MOST_RULES:
        labelled = [number for number in left if candidates[number].is_fraud is not None]
        fraud = sum(candidates[number].is_fraud is True for number in labelled)
        if len(labelled) < 2 * LEAST_HITS or fraud in {0, len(labelled)}:
            break
        tree = tree_module.DecisionTreeClassifier(
            max_depth=DEPTH, min_samples_leaf=LEAST_HITS, class_weight="balanced", random_state=0
        )
        tree.fit([rows[number] for number in labelled], [candidates[number].is_fraud for number in labelled])
        best: tuple[float, Suggestion, set[int]] | None = None
        for path in _paths(tree.tree_, columns):
            places = [columns.index(condition.column) for condition in path]
            hits = {
                number for number in left
                if all(each.holds(rows[number][place]) for each, place in zip(path, places, strict=True))
            }  # fmt: skip
            known = [known for number in hits if (known := candidates[number].is_fraud) is not None]
            precision = Proportion(sum(known), len(known))
            low = precision.interval.low if precision.interval is not None else 0.0
            is_better = low > fraud / len(labelled) and (best is None or low > best[0])
            count = sum(candidates[number].weight for number in hits)
            if is_better and len(known) >= LEAST_HITS and count <= budget:
                best = low, Suggestion(path, precision, count), hits
        if best is None:
            break
        found.append(best[1])
        budget -= best[1].hits
        left = [number for number in left if number not in best[2]]
    return found


def suggested_id(number: int) -> str:
    """The id of the rule of a suggestion, by its place among them from 0."""
    return f"suggested-{number + 1}"


def draft(base: Ruleset, suggestions: Iterable[Suggestion], notes: Sequence[str] = (), *, mode: str = "live") -> str:
    """A rule file of the suggestions, with the features and lists that `base` declares. Raises RulesetError.

    A suggestion that the engine does not accept is left out.
    """
    declared: dict[str, Any] = yaml.safe_load(base.content)
    document: dict[str, Any] = {key: declared[key] for key in ("attributes", "lists", "features") if key in declared}
    document |= {"review_at": 50, "decline_at": 100, "rules": []}
    for number, suggestion in enumerate(suggestions):
        rule = {
            "id": suggested_id(number),
            "description": f"Suggested rule {number + 1}.",
            "when": suggestion.expression,
            "severity": "medium",
            "score": 50,
            "mode": mode,
            **({"notes": notes[number]} if notes else {}),
        }
        try:
            parse_ruleset(_dump({**document, "rules": [rule]}), "suggestion")
        except RulesetError:
            continue
        document["rules"].append(rule)
    text = _dump(document)
    parse_ruleset(text, "the suggested rules")
    return text


def _columns(candidates: Sequence[Candidate]) -> Sequence[Column]:
    first = candidates[0].features if candidates else {}
    names = [*_NUMBERS, *(name for name in first if name not in _NUMBERS)]
    numbers = [
        Column(name) for name in names
        if any(_is_number(each.value(name)) for each in candidates)
    ]  # fmt: skip
    categories = [
        Column(name, category)
        for name in _CATEGORIES
        for category, _ in Counter(getattr(each.event, name) for each in candidates).most_common(MOST_CATEGORIES)
    ]
    return [*numbers, *categories]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _paths(tree: Any, columns: Sequence[Column]) -> Iterator[Sequence[Condition]]:
    """The conditions that lead to each leaf; of those on one side of a column the narrowest."""
    waiting: list[tuple[int, dict[tuple[Column, bool], float]]] = [(0, {})]
    while waiting:
        node, bounds = waiting.pop()
        below, above = int(tree.children_left[node]), int(tree.children_right[node])
        if below == above:  # a leaf
            if bounds:
                yield [Condition(column, is_above, limit) for (column, is_above), limit in bounds.items()]
            continue
        column, limit = columns[int(tree.feature[node])], float(tree.threshold[node])
        waiting.append((below, {**bounds, (column, False): limit}))
        waiting.append((above, {**bounds, (column, True): limit}))


def _dump(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _import_trees() -> Any:
    try:
        return importlib.import_module("sklearn.tree")
    except ImportError:
        raise UsageError(
            "suggesting rules takes scikit-learn, which is not installed",
            "Run `make install`, or install fraud-detector[suggestions].",
        ) from None
