"""The fast and the validating decoder: where the fast one gives an event, the validating one gives the same.

The fast one is compared with its compiled form, where there is a C compiler: both are of one opinion on every message.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_contract.decoding.decoder import DEFAULT_MAX_FUTURE_HOURS, EventDecoder
from order_contract.decoding.validating_decoder import MAX_ERROR_LENGTH
from order_contract.event import BadEvent, OrderEvent, fingerprint
from tests.support.order_messages import message, moment_text, respelled

APPENDED_AT = datetime(2026, 11, 28, 5, tzinfo=UTC)
LATEST = APPENDED_AT + timedelta(hours=DEFAULT_MAX_FUTURE_HOURS)
METHODS = ("ShopeePay Later", "go pay")
DECODER = EventDecoder(METHODS, compiled=False)
COMPILED = EventDecoder(METHODS)
MESSAGES = int(os.environ.get("ORDERWATCH_DECODER_MESSAGES", "20000"))
"""How many messages the comparison in bulk takes; a million take some minutes."""

PLAIN: dict[str, Any] = {
    "order_id": "o-1", "user_id": "u-1", "product_id": "p-1", "quantity": 1, "amount": 1000, "payment_method": "OVO",
    "country": "ID", "created_date": "2026-11-22T10:15:00",
}  # fmt: skip


def compare(value: bytes) -> str:
    """Both decoders on one message; says which way it went."""
    if not value:
        return "bad"
    fast = DECODER.decode_fast(value, LATEST)
    compiled = COMPILED.decode_fast(value, LATEST)
    assert (fast and typed(fast)) == (compiled and typed(compiled)), value
    validated = validate(value)
    if isinstance(validated, BadEvent):
        assert fast is None, (value, fast, str(validated))
        assert 0 < len(str(validated)) <= MAX_ERROR_LENGTH, value
        return "bad"
    if fast is None:
        return "validated"
    assert typed(fast) == typed(validated), value
    return "fast"


def validate(value: bytes) -> OrderEvent | BadEvent:
    try:
        return DECODER.decode_validated(value, APPENDED_AT)
    except BadEvent as error:
        return error


def typed(event: OrderEvent) -> tuple[tuple[type, object], ...]:
    """Every field with its type: to Python 1, 1.0 and True are equal, and so are times in different zones."""
    return tuple((type(field), field.isoformat() if isinstance(field, datetime) else field) for field in event)


@settings(max_examples=300)
@given(st.randoms(use_true_random=False))
def test_they_agree_on_any_message(random: Random) -> None:
    compare(message(random))


def test_they_agree_on_very_many_messages() -> None:
    random = Random(20261122)
    ways = {"fast": 0, "validated": 0, "bad": 0}
    for _ in range(MESSAGES):
        ways[compare(message(random))] += 1
    sys.stdout.write(f"{MESSAGES:,} messages: {ways}\n")  # shown by pytest -s
    # Each way is taken often, or the comparison says little.
    assert all(count > MESSAGES / 20 for count in ways.values()), ways


@settings(max_examples=500)
@given(st.randoms(use_true_random=False))
def test_they_agree_on_any_time(random: Random) -> None:
    text = moment_text(random)
    for field in ("created_date", "account_created_date"):
        compare(orjson.dumps({**PLAIN, field: text}))


@pytest.mark.parametrize(
    "text",
    ["2026-11-22T10:15:00.1234565", "2026-11-22T10:15:00.1234567+07:00", "2026-11-22T23:59:59.9999999",
     "2026-11-22T10:15:00.12345650000000000000", "2026-11-22 10:15:00.9999999Z"],
)  # fmt: skip
def test_digits_beyond_microseconds_are_cut_off(text: str) -> None:
    cut = text[:26] + text[26:].lstrip("0123456789")

    for field in ("created_date", "account_created_date"):
        whole, shorter = (DECODER.decode(orjson.dumps({**PLAIN, field: each}), APPENDED_AT) for each in (text, cut))
        assert whole == shorter
        assert getattr(whole, field).microsecond == int(text[20:26])


# Two messages of one order


attributes = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | st.text("aé\N{GRINNING FACE}/"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["note", "x", "y"]), attributes), st.randoms(use_true_random=False))
def test_another_spelling_is_the_same_content(more: dict[str, Any], random: Random) -> None:
    order = {**PLAIN, "email": "é@b.example", **more}

    one, other = (DECODER.decode(respelled(random, order), APPENDED_AT) for _ in range(2))

    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'"x":1', b'"x":1.0'), (b'"x":1.0', b'"x":1.00'), (b'"x":1e2', b'"x":100.0'), (b'"x":-0.0', b'"x":0'),
        (b'"x":[1.50]', b'"x":[1.5]'), (b'"x":{"a":1,"b":2.0}', b'"x":{"b":2,"a":1e0}'),
        (b'"x":1e18', b'"x":1000000000000000000'), (b'"x":"a/b"', b'"x":"a\\/b"'),
        (b'"x":1', b'"x":2,"x":1'), (b'"email":"a@b.example"', b'"email":"a\\u0040b.example"'),
        (b'"voucher_code":""', b'"voucher_code":null'), (b'"voucher_code":""', b'"email":null'),
        (b'"currency":"idr"', b'"currency":"IDR"'), (b'"ip_address":"2001:DB8::0:1"', b'"ip_address":"2001:db8::1"'),
        (b'"created_date":"2026-11-22T10:15:00.1234567+07:00"', b'"created_date":"2026-11-22t03:15:00.1234564z"'),
        (b'"created_date":"2026-11-22T24:00"', b'"created_date":"2026-11-23T00:00:00,000"'),
        (b'"payment_method":"Go-Pay"', b'"payment_method":" go_pay "'),
    ],
)  # fmt: skip
def test_spellings_that_are_the_same_content(one: bytes, other: bytes) -> None:
    prints = {fingerprint(decoded(each)) for each in (one, other)}

    assert len(prints) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'"x":1', b'"x":"1"'), (b'"x":1', b'"x":true'), (b'"x":null', b'"y":null'), (b'"x":[1,2]', b'"x":[2,1]'),
        (b'"x":0.1', b'"x":0.10000000000000002'), (b'"x":9007199254740993', b'"x":9007199254740992'),
        (b'"created_date":"2026-11-22T10:15:00.123456"', b'"created_date":"2026-11-22T10:15:00.123457"'),
        (b'"payment_method":"Klarna"', b'"payment_method":"klarna"'), (b'"email":"A@b.c"', b'"email":"a@b.c"'),
    ],
)  # fmt: skip
def test_contents_that_differ(one: bytes, other: bytes) -> None:
    assert fingerprint(decoded(one)) != fingerprint(decoded(other))


def decoded(more: bytes) -> OrderEvent:
    """The plain order with other fields; a field that is given again counts as given last."""
    return DECODER.decode(orjson.dumps(PLAIN)[:-1] + b"," + more + b"}", APPENDED_AT)
