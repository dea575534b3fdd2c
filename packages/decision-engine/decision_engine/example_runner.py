"""Running the examples of a ruleset: what each rule says about its examples, by the engine that decides."""

from collections.abc import Iterator
from dataclasses import dataclass

from decision_engine.examples import Example
from decision_engine.rule import Rule, Ruleset


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """Whether a rule fires on an example's order, beside what was expected."""

    rule: Rule
    example: Example
    fires: bool

    @property
    def as_expected(self) -> bool:
        return self.fires is self.example.expect


def run_examples(ruleset: Ruleset) -> Iterator[ExampleResult]:
    """The results of all examples. A rule's mode does not matter."""
    for rule in ruleset.rules:
        for example in rule.examples:
            fires = rule.condition(example.order, example.features(ruleset.features))
            yield ExampleResult(rule, example, fires)
