"""The errors of rejected messages: every fault, with the value and what to write instead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.decoding.decoder import EventDecoder
from order_contract.decoding.validating_decoder import MAX_ERROR_LENGTH
from order_contract.event import BadEvent, fingerprint
from tests.support.decoding import APPENDED_AT, ORDER, TEXT, decode_bytes, refusal
from tests.support.order_messages import message


def refused(**changed: Any) -> BadEvent:
    return refusal(orjson.dumps({**ORDER, **changed}))


# One message, all its faults


def test_an_order_of_a_payment_gateway_has_all_its_faults_reported_at_once() -> None:
    line = (
        '{"order_id": "FLD-PG", "user_id": "U1", "product_id": "P1", "quantity": 2, "amount": "158000.00", '
        '"payment_method": "bank_transfer", "country": "IDN", "created_date": "2019-05-03 16:27:03", '
        '"currency": "IDR", "voucher_code": "", "transaction_status": "pending"}'
    )

    error = refusal(line)

    assert (error.error_type, error.field, error.fields) == ("bad-value", "amount", ("amount", "country"))
    assert error.order_id == "FLD-PG"
    for part in ("amount must be an integer", '"158000.00": write 158000', '"IDN": write ID', "empty: voucher_code"):
        assert part in str(error)


def test_faults_of_all_kinds_are_named_in_the_order_of_the_fields() -> None:
    order = {**ORDER, "order_id": 7, "email": "a\0b", "created_date": "soon", "x": 2**64 - 1, "ip_address": "local"}
    del order["amount"]

    error = refusal(orjson.dumps(order))

    assert error.fields == ("order_id", "amount", "created_date", "ip_address", "email", "x")
    assert error.error_type == "bad-value"
    for part in (
        "order_id must",
        "amount is missing",
        "created_date must",
        "ip_address must",
        "email holds a NUL",
        "x holds",
    ):
        assert part in str(error)


def test_an_error_has_room_for_all_faults_or_names_their_fields() -> None:
    fields = [*ORDER, "currency", "device_id", "ip_address", "voucher_code", "email", "account_created_date"]

    error = refusal(orjson.dumps({field: ["y" * 5_000] for field in fields}))

    assert set(error.fields) == set(fields)
    assert len(str(error)) <= MAX_ERROR_LENGTH
    assert all(field in str(error) for field in fields)
    assert " more: " in str(error)


def test_a_missing_field_that_is_there_in_another_spelling_is_shown() -> None:
    order = {"orderId" if name == "order_id" else name: value for name, value in ORDER.items()}

    assert 'order_id is missing; it must be text of 1 to 64 characters (there is "orderId")' in str(
        refusal(orjson.dumps(order))
    )


# Values


@pytest.mark.parametrize(
    ("given_", "nearest"),
    [("UK", "GB"), ("uk", "GB"), ("IDN", "ID"), ("Indonesia", "ID"), ("indonesia ", "ID"), ("Indonesie", "ID"),
     ("360", "ID"), ("USA", "US"), ("Viet Nam", "VN"), ("Vietnam", "VN"), ("Great Britain", "GB"), ("EL", "GR"),
     ("Malasia", "MY"), ("Singapur", "SG"), (" ID", "ID"), ("South Korea", "KR")],
)  # fmt: skip
def test_the_nearest_country_is_named(given_: str, nearest: str) -> None:
    for field in ("country", "shipping_country"):
        assert str(refused(**{field: given_})).endswith(f": write {nearest}")


@pytest.mark.parametrize("given_", ["XX", "Atlantis", "1", "?", "x" * 64, "y" * 100_000, 5, "ÎD"])
def test_no_country_is_named_where_none_is_near(given_: object) -> None:
    assert "write" not in str(refused(country=given_))


@pytest.mark.parametrize(
    ("given_", "nearest"), [("Rp", "IDR"), ("rupiah", "IDR"), ("US Dollar", "USD"), ("RM", "MYR"), ("360", "IDR")]
)
def test_the_nearest_currency_is_named(given_: str, nearest: str) -> None:
    assert str(refused(currency=given_)).endswith(f": write {nearest}")


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ("22/11/2026 10:15", "day/month/year; write the year first, as 2026-11-22T10:15:00+07:00"),
        ("22.11.2026", "day/month/year; write the year first, as 2026-11-22T"),
        ("11/22/2026 9:05:07", "month/day/year; write the year first, as 2026-11-22T09:05:07+07:00"),
        ("05/06/2026", "day and month before the year; write the year first"),
        ("2026/11/22 10:15", "a date is written with '-'"),
        ("1795317300000", "milliseconds since 1970; write 2026-11-22T10:15:00+07:00"),
        (1795317300, "seconds since 1970; write 2026-11-22T10:15:00+07:00"),
        (1795317300.25, "seconds since 1970; write 2026-11-22T10:15:00+07:00"),
        ("1795317300000000", "microseconds since 1970; write 2026-11-22T10:15:00+07:00"),
        ("2026-11-22T10:15:00+24:00", "its offset is not between -23:59 and +23:59; write a form like 2026-11-22T10"),
        ("2026-11-22T10:15:00 WIB", "a time zone is written as an offset"),
        ("2026-11-22T10:15:00+07:00[Asia/Jakarta]", "a time zone is written as an offset"),
        ("Sun, 22 Nov 2026 10:15:00 +0700", "write 2026-11-22T10:15:00+07:00"),
        ("2026-02-30T10:15:00", "2026-02-30 is not a day of the calendar"),
        ("2026-11-22T25:00:00", "25:00:00 is not a time of day"),
        ("yesterday", "write a form like 2026-11-22T10:15:00+07:00"),
        (True, "write a form like 2026-11-22T10:15:00+07:00"),
        ("9" * 64, "write a form like 2026-11-22T10:15:00+07:00"),
        (1e300, "write a form like 2026-11-22T10:15:00+07:00"),
    ],
)  # fmt: skip
def test_times_are_answered_with_the_form_to_write(given_: object, said: str) -> None:
    for field in ("created_date", "account_created_date"):
        error = refused(**{field: given_})
        assert (error.error_type, error.field) == ("bad-value", field)
        assert "a date and time like 2026-11-22T10:15:00+07:00" in str(error)
        assert said in str(error)


def test_the_error_of_a_bare_date_names_what_it_lacks() -> None:
    assert "it has no time of day" in str(refused(created_date="2026-11-22"))


@pytest.mark.parametrize(
    ("field", "given_", "hint"),
    [("amount", "158000.00", "write 158000"), ("amount", 1000.0, "write 1000"), ("amount", "IDR 5,000", "write 5000"),
     ("quantity", "3", "write 3"), ("quantity", 3.0, "write 3"), ("order_id", 5, 'write it as text, "5"'),
     ("order_id", "x" * 65, "it has 65 characters"), ("ip_address", "1.2.3.4:80", "write 1.2.3.4, without the port"),
     ("ip_address", "[::1]", "write ::1"), ("ip_address", "10.0.0.1, 10.0.0.2", "write one address, such as 10.0.0.1")],
)  # fmt: skip
def test_errors_suggest_the_likely_value(field: str, given_: object, hint: str) -> None:
    assert str(refused(**{field: given_})).endswith(f": {hint}")


@pytest.mark.parametrize("given_", ["158.000", "Rp 1.000", "1_000", "much", "", "-5", "1.5", 0.5])
def test_an_amount_that_means_two_things_is_not_guessed(given_: object) -> None:
    assert "write" not in str(refused(amount=given_))


# Times in the future


@pytest.mark.parametrize("text", ["9998-12-31T10:00:00+07:00", "2099-01-01T00:00:00"])
@pytest.mark.parametrize("field", ["created_date", "account_created_date"])
@pytest.mark.parametrize("more", [{}, {"note": 1}])
def test_a_time_far_in_the_future_is_a_bad_value(field: str, text: str, more: dict[str, Any]) -> None:
    error = refused(**{field: text}, **more)

    assert (error.error_type, error.field) == ("bad-value", field)
    assert "must not be in the future" in str(error)
    assert "days after the latest time accepted" in str(error)


@pytest.mark.parametrize("hours", [0, 24, 1.5, 87_600])
def test_the_bound_on_the_future_is_exact_and_a_setting(hours: float) -> None:
    decoder = EventDecoder(max_future_hours=hours)
    last = APPENDED_AT + timedelta(hours=hours)
    for more in ({}, {"note": 1}):  # by either decoder
        good = orjson.dumps({**ORDER, **more, "created_date": last.isoformat()})
        bad = orjson.dumps({**ORDER, **more, "created_date": (last + timedelta(microseconds=1)).isoformat()})
        assert decoder.decode(good, APPENDED_AT).created_date == last
        with pytest.raises(BadEvent):
            decoder.decode(bad, APPENDED_AT)
        # Later, it is not in the future any more.
        assert decoder.decode(bad, APPENDED_AT + timedelta(hours=1)).order_id == "o-1"


def test_a_bound_beyond_the_calendar_is_no_bound() -> None:
    decoder = EventDecoder(max_future_hours=87_600)
    value = orjson.dumps({**ORDER, "created_date": "9998-12-31T10:00:00+07:00"})

    assert decoder.decode(value, datetime(9998, 1, 1, tzinfo=UTC)).created_date.year == 9998


# What libraries say of such input: none of it is for our users.
LIBRARIES = (
    "line 1 column", "(char ", "isoformat", "unexpected end of data", "codec can't", "depth limit", "JSONDecodeError",
    "out of range for month", "must be in 0..", "literal for int", "invalid start byte", "Traceback",
)  # fmt: skip


@given(st.randoms(use_true_random=False))
def test_errors_are_short_and_in_our_own_words(random: Any) -> None:
    try:
        decode_bytes(message(random) or b" ")
    except BadEvent as error:
        text = str(error)
    else:
        return
    assert 0 < len(text) <= MAX_ERROR_LENGTH
    assert not [words for words in LIBRARIES if words in text]


@given(st.binary(min_size=1, max_size=60) | st.text(min_size=1).map(str.encode))
def test_any_bytes_are_answered_in_our_own_words(value: bytes) -> None:
    error = refusal(value)

    assert error.error_type in {"not-json", "not-an-object", "envelope", "missing-field", "bad-value"}
    assert not [words for words in LIBRARIES if words in str(error)]


# Orders within other messages

CLOUD = {"specversion": "1.0", "type": "order.placed", "source": "/shop", "id": "1"}
CHANGE = {"before": None, "after": ORDER, "source": {"connector": "postgresql"}, "op": "c", "ts_ms": 1}


@pytest.mark.parametrize(
    ("wrapped", "said"),
    [
        (CHANGE, 'Debezium, not an order; publish its "after"'),
        ({"after": ORDER, "op": "u"}, 'Debezium, not an order; publish its "after"'),
        ({"schema": {"type": "struct"}, "payload": ORDER}, 'JSON with a schema, not an order; publish its "payload"'),
        ({"schema": None, "payload": ORDER}, "value.converter.schemas.enable=false"),
        ({"schema": {}, "payload": CHANGE}, "Debezium within Kafka Connect's JSON"),
        ({**CLOUD, "data": ORDER}, 'CloudEvents envelope, not an order; publish its "data"'),
        ({**CLOUD, "data_base64": "e30="}, "CloudEvents"),
        ({"database": "shop", "table": "orders", "type": "insert", "data": ORDER}, "Maxwell"),
        ({"operationType": "insert", "fullDocument": ORDER}, "MongoDB"),
        ({"Type": "Notification", "MessageId": "1", "Message": TEXT}, "Amazon SNS"),
        ({"event": {"order": ORDER}}, 'wrapped in another object; publish its "event.order"'),
        ({"value": TEXT}, 'wrapped in another object; publish its "value"'),
    ],
)  # fmt: skip
def test_envelopes_are_named_with_what_to_do(wrapped: dict[str, Any], said: str) -> None:
    error = refusal(orjson.dumps(wrapped))

    assert (error.error_type, error.field) == ("envelope", None)
    assert said in str(error)


@pytest.mark.parametrize(
    ("rest", "said"),
    [(TEXT.encode(), "schema id 258, JSON Schema); publish the bytes after the first five"),
     (b"\x06o-1\x06u-1\x06p-1\x02", "schema id 258, Avro"), (b"\x00\x0a\x03o-1\x12\x03u-1", "schema id 258, Protobuf")],
)  # fmt: skip
def test_the_framing_of_a_schema_registry_is_named(rest: bytes, said: str) -> None:
    error = refusal(b"\x00\x00\x00\x01\x02" + rest)

    assert error.error_type == "envelope"
    assert said in str(error)


def test_an_order_with_fields_named_like_an_envelopes_is_an_order() -> None:
    order = {**ORDER, **CLOUD, "schema": {}, "payload": {}, "before": None, "after": None, "op": "c"}

    assert decode_bytes(orjson.dumps(order)).order_id == "o-1"


@pytest.mark.parametrize(
    ("value", "said"),
    [([ORDER, ORDER], "a list of 2; send one object per message"), ([{**CLOUD, "data": ORDER}], "CloudEvents"),
     (TEXT, "encoded twice"), ("x", "a text"), (None, "null"), (5, "a number"), (True, "true or false")],
)  # fmt: skip
def test_json_that_is_not_an_object_is_named(value: object, said: str) -> None:
    error = refusal(orjson.dumps(value))

    assert error.error_type == "not-an-object"
    assert said in str(error)


# Orders that are well


def test_the_same_order_with_another_escape_is_the_same_content() -> None:
    line = (
        '{"order_id": "FLD-DUP", "user_id": "U1", "product_id": "P1", "quantity": 1, "amount": 1000, '
        '"payment_method": "GoPay", "country": "ID", "created_date": "2026-11-22T10:15:00.1234567+07:00", '
        '"email": "a%sb.example"}'
    )
    one, other = (decode_bytes((line % at).encode()) for at in ("@", "\\u0040"))

    assert one == other
    assert one.created_date == datetime(2026, 11, 22, 3, 15, 0, 123_456, tzinfo=UTC)
    assert fingerprint(one) == fingerprint(other)


def test_an_emoji_is_kept() -> None:
    event = decode_bytes(orjson.dumps({**ORDER, "note": "\N{GRINNING FACE} café"}))

    assert event.attributes == {"note": "\N{GRINNING FACE} café"}
