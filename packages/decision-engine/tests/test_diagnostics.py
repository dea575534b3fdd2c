"""Diagnostics of a text: the place, the nearest name, warnings, and whether the marketplace pack goes with it."""

import pytest

from decision_engine.diagnostics import Diagnostic, NameKind, Severity, diagnose
from decision_engine.pack_mode import PackMode
from order_contract.reference_data import PaymentMethods

METHODS = PaymentMethods()
RULES = """\
review_at: 50
decline_at: 90
parameters: {most: 5_000, wallets: [OVO, DANA]}
attributes: {vip: boolean}
lists: {blocked: {kind: block, field: device_id}}
features: {orders_24h: {aggregate: count, key: user_id, window: 24h}}
rules:
  - {id: large, description: large, when: amount > most, score: 50, severity: low}
"""


def test_names_are_those_of_orders_and_of_the_text() -> None:
    found = diagnose(RULES, PackMode.SHADOW, METHODS)
    assert found.diagnostics == []
    assert found.names is not None
    names = {each.name: (each.kind, each.meaning) for each in found.names}
    assert names["created_date"] == (NameKind.FIELD, "time")
    assert names["hour"] == names["orders_24h"] == (NameKind.FEATURE, "number")
    assert names["attributes.vip"] == (NameKind.ATTRIBUTE, "truth value")
    assert (names["most"], names["wallets"]) == ((NameKind.PARAMETER, "5000"), (NameKind.PARAMETER, "OVO, DANA"))
    assert names["blocked"] == (NameKind.LIST, "block, device_id")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "the file is empty"),
        ("x" * 1_000_001, 1, 1, "has 1,000,001 characters"),
        ("rules: [", 2, 1, "not YAML"),
        (RULES.replace("amount > most", "amount > mots"), 8, 52, "unknown name 'mots'; write most"),
        (RULES.replace("severity", "sverity"), 8, 69, "write severity"),
    ],
)
def test_an_error_has_its_place(text: str, line: int, column: int, message: str) -> None:
    found = diagnose(text, PackMode.OFF, METHODS)
    (diagnostic,) = found.diagnostics
    assert (diagnostic.line, diagnostic.column, diagnostic.severity) == (line, column, Severity.ERROR)
    assert message in diagnostic.message
    assert (found.names, found.ruleset) == (None, None)


def test_a_value_that_no_order_has_is_a_warning() -> None:
    found = diagnose(RULES.replace("amount > most", 'country == "UK"'), PackMode.OFF, METHODS)
    assert [(each.line, each.severity) for each in found.diagnostics] == [(8, Severity.WARNING)]
    assert found.names is not None


def test_says_that_the_pack_does_not_go_with_what_is_declared() -> None:
    text = RULES.replace("most: 5_000", "most: 5_000, most_device_accounts: many")
    assert diagnose(text, PackMode.OFF, METHODS).diagnostics == []
    (diagnostic,) = diagnose(text, PackMode.SHADOW, METHODS).diagnostics
    assert diagnostic == Diagnostic(1, 1, Severity.ERROR, diagnostic.message)
    assert "do not go together" in diagnostic.message
