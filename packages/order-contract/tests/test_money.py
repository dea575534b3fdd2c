"""Money: the seed's text form of rupiah."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.money import MAX_AMOUNT, format_rupiah, parse_rupiah


@given(st.integers(0, MAX_AMOUNT))
def test_what_is_formatted_is_parsed(amount: int) -> None:
    assert parse_rupiah(format_rupiah(amount)) == amount


def test_the_seeds_form() -> None:
    assert format_rupiah(125_000_000) == "Rp.125,000,000"
    assert format_rupiah(0) == "Rp.0"


@pytest.mark.parametrize(
    ("text", "amount"),
    [("Rp.1,000", 1_000), ("Rp 1,000", 1_000), ("Rp. 1,000", 1_000), ("Rp1000", 1_000), ("Rp.007", 7)],
)
def test_other_spellings_of_the_form(text: str, amount: int) -> None:
    assert parse_rupiah(text) == amount


@pytest.mark.parametrize(
    "text",
    ["", "Rp.", "1000", "Rp.1,00", "Rp.1,0000", "Rp.,000", "Rp.1.000", "Rp.1,000.00", "rp.1,000", "Rp.-1", " Rp.1",
     "Rp.1\n", "Rp.\N{ARABIC-INDIC DIGIT ONE}"],
)  # fmt: skip
def test_text_of_another_form_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="neither an integer nor"):
        parse_rupiah(text)


@given(st.text())
def test_arbitrary_text_is_parsed_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_rupiah(text) >= 0
