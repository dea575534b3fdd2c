"""`fraud-detector rules lint`: warnings about values that no order has; they fail nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from decision_engine.lint import ruleset_warnings
from decision_engine.ruleset import load_ruleset, parse_ruleset
from fraud_detector.cli import build_application
from order_contract.reference_data import PaymentMethods

RULES = """\
review_at: 50
decline_at: 90
rules:
  - id: odd
    description: Odd.
    when: {when}
    severity: low
    score: 50
"""


def warnings(when: str, *added: str) -> list[str]:
    ruleset = parse_ruleset(RULES.format(when=f"'{when.replace(chr(39), chr(34))}'"), "r.yaml")
    return ruleset_warnings(ruleset, "r.yaml", PaymentMethods(added))


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("payment_method == 'Gopay'", 'with "Gopay", which no order has in this spelling; write "GoPay"'),
        ("payment_method == 'GoPya'", 'is not a known payment method; write "GoPay"'),
        ("payment_method != 'Seashells'", "is not a known payment method; ORDERWATCH_PAYMENT_METHODS adds methods"),
        ("'bank_transfer' == payment_method", 'write "Bank Transfer"'),
        ("payment_method in ['OVO', 'shopeepay']", 'with "shopeepay", which no order has in this spelling'),
        ("amount > 1 and not (payment_method not in ['dana'])", 'write "DANA"'),
        ("country == 'UK'", 'compares country with "UK", which is not a country code of ISO 3166; write "GB"'),
        ("country in ['ID', 'IDN']", 'write "ID"'),
        ("country == 'id'", 'write "ID"'),
        ("country == 'XX'", "is not a country code of ISO 3166"),
        ("currency == 'Rp'", 'is not a currency code of ISO 4217; write "IDR"'),
    ],
)  # fmt: skip
def test_values_that_no_order_has_are_named_with_the_nearest(when: str, said: str) -> None:
    [warning] = warnings(when)

    assert warning.startswith("r.yaml:6: warning: rule 'odd' compares ")
    assert said in warning


@pytest.mark.parametrize(
    "when",
    ["payment_method == 'GoPay'", "country in ['ID', 'SG']", "currency == 'IDR'", "user_id == 'UK'", "amount > 10",
     "order_id == 'Gopay' or country == 'ID'"],
)  # fmt: skip
def test_values_that_orders_have_are_not_warned_about(when: str) -> None:
    assert warnings(when) == []


def test_an_added_method_is_a_known_one_in_its_own_spelling() -> None:
    assert warnings("payment_method == 'Klarna'", "Klarna") == []
    assert 'write "Klarna"' in warnings("payment_method == 'klarna'", "Klarna")[0]
    # Added in vain: orders keep GoPay.
    assert 'write "GoPay"' in warnings("payment_method == 'gopay'", "gopay")[0]


def test_the_default_rules_have_no_warnings() -> None:
    assert ruleset_warnings(load_ruleset(), "default.yaml", PaymentMethods()) == []


def test_the_command_warns_and_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES.format(when="payment_method in ['Klarna', 'GoPya'] or country == 'UK'"))

    done = CliRunner().invoke(build_application(), ["rules", "lint", str(file)])
    assert done.exit_code == 0
    assert done.output.count("warning: ") == 3
    assert "1 rules, version" in done.output

    monkeypatch.setenv("ORDERWATCH_PAYMENT_METHODS", '["Klarna"]')
    assert CliRunner().invoke(build_application(), ["rules", "lint", str(file)]).output.count("warning: ") == 2
    monkeypatch.setenv("ORDERWATCH_PAYMENT_METHODS", '[""]')
    done = CliRunner().invoke(build_application(), ["rules", "lint", str(file)])
    assert done.exit_code != 0
    assert "ORDERWATCH_PAYMENT_METHODS" in str(done.exception)
