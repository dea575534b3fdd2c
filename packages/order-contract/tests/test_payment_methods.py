"""Payment methods of order events: known ones have one spelling, and unknown ones are kept as given."""

import orjson
import pytest

from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent
from order_contract.reference_data import PaymentMethods
from tests.support.decoding import APPENDED_AT, SEED, decode, refused


@pytest.mark.parametrize(
    ("given_", "method"),
    [
        ("gopay", "GoPay"), ("GOPAY", "GoPay"), (" Dana ", "DANA"), ("bank transfer", "Bank Transfer"), ("ovo", "OVO"),
        ("bank_transfer", "Bank Transfer"), ("BANK-TRANSFER", "Bank Transfer"), ("banktransfer", "Bank Transfer"),
        ("Go-Pay", "GoPay"), ("go pay", "GoPay"), ("go_pay", "GoPay"), ("G o  P-a_y", "GoPay"),
        ("Pay Later", "PayLater"), ("q.ris", "q.ris"), ("go\u2010pay", "GoPay"), ("\tOVO\u00a0", "OVO"),
        ("cash-on-delivery", "Cash on Delivery"),
    ],
)  # fmt: skip
def test_known_payment_methods_are_matched_whatever_the_spelling(given_: str, method: str) -> None:
    for more in ({}, {"note": 1}):  # by either decoder
        assert decode({**SEED, **more}, payment_method=given_).payment_method == method


@pytest.mark.parametrize(
    "name", ["COD", "Klarna", "klarna", "Pay by link", "m" * 64, "GoPayLater", "\N{GRINNING FACE}"]
)
def test_an_unknown_payment_method_is_kept_as_given(name: str) -> None:
    for given_ in (name, f"  {name}\t"):
        for more in ({}, {"note": 1}):
            assert decode({**SEED, **more}, payment_method=given_).payment_method == name


@pytest.mark.parametrize("name", ["", "  ", "\t", "m" * 65, 7, ["GoPay"], {"name": "GoPay"}, True])
def test_an_invalid_payment_method_is_a_bad_value(name: object) -> None:
    error = refused(SEED, payment_method=name)

    assert (error.error_type, error.field) == ("bad-value", "payment_method")
    assert "text of 1 to 64 characters" in str(error)


def test_payment_methods_can_be_added() -> None:
    decoder = EventDecoder(["ShopeePay Later"])

    assert (
        decoder.decode(orjson.dumps({**SEED, "payment_method": "SHOPEEPAY later"}), APPENDED_AT).payment_method
        == "ShopeePay Later"
    )
    assert decode(SEED, payment_method="SHOPEEPAY later").payment_method == "SHOPEEPAY later"


@pytest.mark.parametrize("added", ["gopay", "Go Pay", "GO-PAY", " go_pay "])
def test_an_added_spelling_of_a_known_payment_method_is_ignored(added: str) -> None:
    decoder = EventDecoder([added])

    for given_ in ("GoPay", added, "go pay"):
        event = decoder.decode(orjson.dumps({**SEED, "payment_method": given_}), APPENDED_AT)
        assert event.payment_method == "GoPay"


def test_repeated_spellings_are_decoded_alike() -> None:
    decoder = EventDecoder()
    for spelling in ("gopay", "cowrie shells", " "):
        value = orjson.dumps({**SEED, "payment_method": spelling})
        outcomes = []
        for _ in range(2):
            try:
                outcomes.append(decoder.decode(value, APPENDED_AT).payment_method)
            except BadEvent as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


def test_many_spellings_take_little_memory() -> None:
    methods = PaymentMethods()
    for number in range(5_000):
        assert methods.canonical(f"method {number}") == f"method {number}"
        assert methods.canonical(f"{' ' * number}OVO") == "OVO"

    assert len(methods.spellings) <= 1_000
    assert max(map(len, methods.spellings)) <= 64
