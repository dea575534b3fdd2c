"""How rules have worked, by rule: what the page shows beside each."""

from collections.abc import Mapping, Sequence

from order_api.rules.schemas import RulePerformance


def add_up(items: Sequence[RulePerformance]) -> Mapping[str, Mapping[str, RulePerformance]]:
    """The items of one period, of all versions together, by rule and mode."""
    found: dict[str, dict[str, RulePerformance]] = {}
    for item in items:
        found.setdefault(item.rule, {})[item.mode] = item
    return found
