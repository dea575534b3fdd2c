"""Warnings about rules that are valid but probably mistaken: they compare a field with a value that no order has."""

import ast
from collections.abc import Callable, Iterator
from typing import Final

from decision_engine.ruleset import Rule, Ruleset
from order_contract.nearest import nearest_country, nearest_currency, nearest_payment_method
from order_contract.reference_data import COUNTRIES, CURRENCIES, PaymentMethods

MOST_WARNINGS: Final = 100

Problem = Callable[[str], str | None]
"""What is odd about a value of a field, None when nothing is."""


def ruleset_warnings(ruleset: Ruleset, name: str, methods: PaymentMethods) -> list[str]:
    """Each value of a field that no order has, with file, line and the nearest one that orders have.

    Warnings name `name` as the file. Methods are those that the detector knows; an order may be paid by another one,
    but a rule that names it is more likely misspelled.
    """
    problems: dict[str, Problem] = {
        "payment_method": lambda value: _payment_method(value, methods),
        "country": lambda value: _code(value, COUNTRIES, "is not a country code of ISO 3166", nearest_country(value)),
        "currency": lambda value: _code(
            value, CURRENCIES, "is not a currency code of ISO 4217", nearest_currency(value)
        ),
    }
    warnings: list[str] = []
    for rule in ruleset.rules:
        for field, value in _compared(rule):
            problem = problems[field](value) if field in problems else None
            text = (
                f"{name}:{rule.when_line}: warning: rule '{rule.id}' compares {field} with \"{value}\", which {problem}"
            )
            if problem is not None and text not in warnings:
                warnings.append(text)
    return warnings[:MOST_WARNINGS]


def _compared(rule: Rule) -> Iterator[tuple[str, str]]:
    """Each field with each literal text that the rule's condition compares it with."""
    for node in ast.walk(ast.parse(rule.when.strip(), mode="eval")):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        fields = [side.id for side in sides if isinstance(side, ast.Name)]
        for literal in (literal for side in sides for literal in ast.walk(side)):
            if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                yield from ((field, literal.value) for field in fields)


def _payment_method(value: str, methods: PaymentMethods) -> str | None:
    if value in methods.names:
        return None
    canonical = methods.canonical(value)
    if canonical in methods.names:
        return f'no order has in this spelling; write "{canonical}"'
    nearest = nearest_payment_method(value, methods.names)
    hint = f'write "{nearest}"' if nearest else "ORDERWATCH_PAYMENT_METHODS adds methods"
    return f"is not a known payment method; {hint}"


def _code(value: str, known: frozenset[str], what: str, nearest: str | None) -> str | None:
    if value in known:
        return None
    return what + (f'; write "{nearest}"' if nearest else "")
