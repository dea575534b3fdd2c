"""The order event: what is decoded to what, and that anything else is bad data with its cause."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from order_contract.decoding.validating_decoder import MAX_NESTING
from order_contract.event import (
    MAX_ID_LENGTH,
    MAX_INT64,
    MAX_TEXT_LENGTH,
    OrderEvent,
)
from order_contract.money import MAX_AMOUNT, format_rupiah
from tests.support.decoding import SEED, decode, decode_bytes, refusal, refused

# An error is stored in a message header and in a table: it must stay short whatever the value.
LONGEST_ERROR = 1_000

OPTIONAL = {
    "currency": "USD",
    "device_id": "dev-1",
    "ip_address": "10.0.0.1",
    "voucher_code": "HEMAT10",
    "email": "budi@gmail.com",
    "shipping_country": "SG",
    "account_created_date": "2025-01-01T00:00:00+07:00",
}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in SEED.items() if name != field}


# The seed's event


def test_the_seeds_event_is_valid_as_it_is() -> None:
    event = decode(SEED)

    assert event == OrderEvent(
        order_id="a1b2c3d4",
        user_id="U123",
        product_id="P1111",
        quantity=7,
        amount=125_000_000,
        currency="IDR",
        payment_method="PayLater",
        country="ID",
        created_date=datetime(2025, 11, 29, 19, 15, 0, 123456, tzinfo=UTC),
        device_id=None,
        ip_address=None,
        voucher_code=None,
        email=None,
        shipping_country=None,
        account_created_date=None,
        attributes=None,
    )


def test_optional_fields_are_taken() -> None:
    event = decode({**SEED, "amount": 5}, **OPTIONAL)

    assert event.currency == "USD"
    assert event.device_id == "dev-1"
    assert event.ip_address == "10.0.0.1"
    assert event.voucher_code == "HEMAT10"
    assert event.email == "budi@gmail.com"
    assert event.shipping_country == "SG"
    assert event.account_created_date == datetime(2024, 12, 31, 17, tzinfo=UTC)
    assert event.attributes is None


@pytest.mark.parametrize("empty", [None, ""])
@pytest.mark.parametrize("field", OPTIONAL)
def test_an_optional_field_that_is_null_or_empty_is_left_out(field: str, empty: str | None) -> None:
    for more in ({}, {"note": 1}):  # by either decoder
        assert decode({**SEED, **more}, **{field: empty}) == decode({**SEED, **more})


def test_unknown_fields_are_kept_as_attributes() -> None:
    given_ = {"basket": [{"sku": "x", "n": 1.5}, None, True], "channel": "app"}

    assert decode(SEED, **given_).attributes == given_


# Each field's good and bad values


@pytest.mark.parametrize("field", sorted(SEED))
def test_a_required_field_that_is_missing_is_named(field: str) -> None:
    error = refusal(orjson.dumps(without(field)))

    assert (error.error_type, error.field) == ("missing-field", field)
    assert field in str(error)


@pytest.mark.parametrize("field", sorted(SEED))
@pytest.mark.parametrize("value", [None, True, [], {}, 1.5, "", [1], {"a": 1}], ids=str)
def test_a_required_field_of_a_wrong_type_is_a_bad_value(field: str, value: object) -> None:
    error = refused(SEED, **{field: value})

    assert (error.error_type, error.field) == ("bad-value", field)


@pytest.mark.parametrize("field", sorted(OPTIONAL))
@pytest.mark.parametrize("value", [True, [], {}, 1.5, 0], ids=str)
def test_an_optional_field_of_a_wrong_type_is_a_bad_value(field: str, value: object) -> None:
    error = refused(SEED, **{field: value})

    assert (error.error_type, error.field) == ("bad-value", field)


@pytest.mark.parametrize("field", ["order_id", "user_id", "product_id"])
def test_ids_have_1_to_64_characters(field: str) -> None:
    assert getattr(decode(SEED, **{field: "ü" * MAX_ID_LENGTH}), field) == "ü" * MAX_ID_LENGTH
    assert refused(SEED, **{field: "x" * (MAX_ID_LENGTH + 1)}).field == field
    assert refused(SEED, **{field: 12345}).field == field


@pytest.mark.parametrize("field", ["device_id", "voucher_code", "email"])
def test_texts_have_1_to_320_characters(field: str) -> None:
    assert getattr(decode(SEED, **{field: "ü" * MAX_TEXT_LENGTH}), field) == "ü" * MAX_TEXT_LENGTH
    assert refused(SEED, **{field: "x" * (MAX_TEXT_LENGTH + 1)}).field == field


@pytest.mark.parametrize("quantity", [1, 500, MAX_INT64])
def test_quantities_that_are_good(quantity: int) -> None:
    assert decode(SEED, quantity=quantity).quantity == quantity


@pytest.mark.parametrize("quantity", [0, -1, MAX_INT64 + 1, "3", 3.0, True, False])
def test_quantities_that_are_bad(quantity: object) -> None:
    assert refused(SEED, quantity=quantity).field == "quantity"


def test_a_quantity_of_hundreds_of_digits_is_a_bad_value() -> None:
    value = orjson.dumps({**SEED, "quantity": 0}).replace(b'"quantity":0', b'"quantity":' + b"9" * 300)

    assert (refusal(value).error_type, refusal(value).field) == ("bad-value", "quantity")


@pytest.mark.parametrize(
    ("given_", "amount"),
    [
        (0, 0),
        (MAX_AMOUNT, MAX_AMOUNT),
        ("Rp.0", 0),
        ("Rp.125,000,000", 125_000_000),
        ("Rp.125000000", 125_000_000),
        ("Rp 1,000", 1_000),
        (format_rupiah(MAX_AMOUNT), MAX_AMOUNT),
    ],
)
def test_amounts_that_are_good(given_: object, amount: int) -> None:
    assert decode(SEED, amount=given_).amount == amount


@pytest.mark.parametrize(
    "amount",
    [-1, MAX_AMOUNT + 1, 1.0, 1e3, True, "125000000", "Rp.", "Rp.1,00", "Rp.1.000.000", "Rp.-5", "Rp.1,000 ", "Rp.١٢",
     format_rupiah(MAX_AMOUNT + 1), "Rp.1" + ",000" * 2_000, "USD 5"],
)  # fmt: skip
def test_amounts_that_are_bad(amount: object) -> None:
    assert refused(SEED, amount=amount).field == "amount"


def test_amounts_as_text_are_rupiah_only() -> None:
    assert refused(SEED, currency="USD").field == "amount"
    assert decode(SEED, currency="idr").amount == 125_000_000


@pytest.mark.parametrize("field", ["country", "shipping_country"])
def test_countries_are_iso_codes_in_upper_case(field: str) -> None:
    assert getattr(decode(SEED, **{field: "sg"}), field) == "SG"
    for bad in ("XX", "IDN", "Indonesia", "I", "62"):
        assert refused(SEED, **{field: bad}).field == field


@pytest.mark.parametrize(
    ("given_", "moment"),
    [
        ("2026-11-22T10:00:00", datetime(2026, 11, 22, 3, tzinfo=UTC)),
        ("2026-11-22 10:00", datetime(2026, 11, 22, 3, tzinfo=UTC)),
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00+00:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T00:30:00.5-08:00", datetime(2026, 11, 22, 8, 30, 0, 500_000, tzinfo=UTC)),
        ("20261122T101500", datetime(2026, 11, 22, 3, 15, tzinfo=UTC)),
        ("2026-11-22t10:00:00z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-W47-7T10:15+0700", datetime(2026, 11, 22, 3, 15, tzinfo=UTC)),
        ("2026-11-22T10:00:00,25Z", datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-22 10:00:00 +0700", datetime(2026, 11, 22, 3, tzinfo=UTC)),
        ("2026-11-22T24:00:00Z", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T06:59:60.5", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_dates_are_iso_8601_and_business_time_without_an_offset(given_: str, moment: datetime) -> None:
    event = decode(SEED, created_date=given_, account_created_date=given_)

    assert event.created_date == event.account_created_date == moment
    assert event.created_date.tzinfo is UTC


@pytest.mark.parametrize(
    "date",
    ["22/11/2026 10:00", "2026-13-01T00:00:00", "2026-02-30T00:00:00", "yesterday", "1795388055",
     "1969-12-31T23:59:59", "9999-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "2026-11-22T25:00:00",
     "2026-11-22T10:00:00+25:00", "2026-11-22T10:00:00+24:00", "2026-11-22T10:00:00+07:60", "2026-11-22T10:15.5",
     "2026-11-22T24:00:01", "2026-11-22T10:15:60", "2026-11-22T10:15:00+07:00:30", "2026-326T10:15", "2026-W54-1T10:15",
     "2026-11-22T10:15:00 WIB", " 2026-11-22T10:15:00", 1795388055, "\N{ARABIC-INDIC DIGIT TWO}026-11-22T10:00:00"],
)  # fmt: skip
@pytest.mark.parametrize("field", ["created_date", "account_created_date"])
def test_dates_that_are_bad(field: str, date: object) -> None:
    assert (error := refused(SEED, **{field: date})).field == field
    assert error.error_type == "bad-value"


def test_a_bare_date_is_no_moment_of_an_order_but_one_of_an_account() -> None:
    assert refused(SEED, created_date="2026-11-22").field == "created_date"

    account_created = decode(SEED, account_created_date="2026-11-22").account_created_date

    assert account_created == datetime(2026, 11, 21, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_", "canonical"), [("10.1.2.3", "10.1.2.3"), ("2001:DB8:0:0::1", "2001:db8::1"), ("::1", "::1")]
)
def test_ip_addresses_are_written_in_one_way(given_: str, canonical: str) -> None:
    assert decode(SEED, ip_address=given_).ip_address == canonical


@pytest.mark.parametrize("address", ["10.1.2", "10.1.2.256", "localhost", 167772161, "010.1.2.3"])
def test_ip_addresses_that_are_bad(address: object) -> None:
    assert refused(SEED, ip_address=address).field == "ip_address"


# Messages that are no orders at all


@pytest.mark.parametrize(
    ("value", "error_type"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b" ", "not-json"),
        (b"{", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"NaN", "not-json"),
        ('{"order_id":"ü"}'.encode("latin-1"), "not-json"),
        (b'{"order_id":"\\ud800"}', "not-json"),
        (b'{"a":' * 5_000, "not-json"),
        (b"[" * 500 + b"]" * 500, "not-an-object"),
        (b"[]", "not-an-object"),
        (b'"text"', "not-an-object"),
        (b"null", "not-an-object"),
        (b"5", "not-an-object"),
        (b"{}", "missing-field"),
    ],
)
def test_messages_that_are_not_valid_orders(value: bytes | None, error_type: str) -> None:
    assert refusal(value).error_type == error_type


@pytest.mark.parametrize(
    "bad", [{"order_id": "a\0b"}, {"email": "\0"}, {"x\0y": 1}, {"x": [{"y": "\0"}]}, {"x": {"\0": 1}}]
)
def test_nul_characters_are_not_storable(bad: dict[str, Any]) -> None:
    error = refused(SEED, **bad)

    assert error.error_type == "not-storable"
    assert "\0" not in str(error)
    assert "\0" not in str(error.field)
    assert "\0" not in str(error.order_id)


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "1e19", "-1e300"])
def test_numbers_beyond_64_bits_are_out_of_range(number: str) -> None:
    for nested in (number, f"[{number}]", f'{{"y":{number}}}'):
        value = orjson.dumps(SEED)[:-1] + f',"x":{nested}}}'.encode()
        error = refusal(value)
        assert error.error_type == ("not-json" if len(number) > 309 else "out-of-range")


@pytest.mark.parametrize("number", [MAX_INT64, -MAX_INT64, 1e15, -0.0, 0.1])
def test_numbers_within_64_bits_are_kept(number: float) -> None:
    assert decode(SEED, x=number).attributes == {"x": number}


def test_nesting_has_a_limit() -> None:
    def nested(levels: int) -> bytes:
        return orjson.dumps(SEED)[:-1] + b',"x":' + b"[" * levels + b"]" * levels + b"}"

    assert decode_bytes(nested(MAX_NESTING)).attributes is not None
    assert refusal(nested(MAX_NESTING + 1)).error_type == "out-of-range"
    assert refusal(nested(900)).error_type == "out-of-range"


def test_an_error_names_the_order_that_it_is_about() -> None:
    assert refused(SEED, quantity=0).order_id == "a1b2c3d4"
    assert refused(SEED, order_id=5).order_id is None
    assert refused(SEED, order_id="x" * 65).order_id is None
    assert refusal(b"[]").order_id is None


@pytest.mark.parametrize("field", [*SEED, *OPTIONAL, "x"])
@pytest.mark.parametrize(
    "huge", ["y" * 5_000_000, [2**64 - 1] * 100_000, {"k" * 100_000: 2**64 - 1}], ids=["text", "list", "object"]
)
def test_an_error_stays_short_whatever_the_value(field: str, huge: object) -> None:
    value = orjson.dumps({**SEED, field: huge})
    if field == "x" and isinstance(huge, str):
        assert decode_bytes(value).attributes == {"x": huge}
        return

    error = refusal(value)

    assert len(str(error)) < LONGEST_ERROR
    assert len(error.field or "") <= MAX_ID_LENGTH


def test_an_error_stays_short_whatever_the_field() -> None:
    for value in (2**64 - 1, "\0", [[2**64 - 1]]):
        error = refused(SEED, **{"f" * 1_000_000: value})
        assert len(str(error)) < LONGEST_ERROR
        assert len(error.field or "") <= MAX_ID_LENGTH
