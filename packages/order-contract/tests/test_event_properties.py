"""The order event over all there is: nothing but good orders decodes, and decoding says the same of the same."""

import contextlib
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.decoding.decoder import EventDecoder
from order_contract.event import (
    FIELDS,
    MAX_ID_LENGTH,
    MAX_INT64,
    MAX_TEXT_LENGTH,
    BadEvent,
    OrderEvent,
    fingerprint,
    same_numbers,
)
from order_contract.money import MAX_AMOUNT
from order_contract.reference_data import COUNTRIES, CURRENCIES, MAX_PAYMENT_METHOD_LENGTH, PAYMENT_METHODS

# After all that is generated.
APPENDED_AT = datetime(9990, 1, 2, tzinfo=UTC)
# What the contract holds to be a good order, as JSON objects. No lone surrogates: orjson does not write them.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
ids = texts.map(lambda text: text[:MAX_ID_LENGTH])
naive_moments = st.datetimes(datetime(1971, 1, 1), datetime(9990, 1, 1))  # noqa: DTZ001  (without offset is business time)
moments = st.one_of(
    naive_moments.map(lambda moment: moment.isoformat()),
    st.tuples(naive_moments, st.sampled_from(["Z", "+07:00", "-03:30", "+00:00"])).map(
        lambda pair: pair[0].isoformat() + pair[1]
    ),
)
attribute_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
required = {
    "order_id": ids,
    "user_id": ids,
    "product_id": ids,
    "quantity": st.integers(1, MAX_INT64),
    "amount": st.integers(0, MAX_AMOUNT),
    "payment_method": st.sampled_from(PAYMENT_METHODS).flatmap(
        lambda name: st.sampled_from([name, name.lower(), name.upper(), f" {name}"])
    ),
    "country": st.sampled_from(sorted(COUNTRIES)).flatmap(lambda code: st.sampled_from([code, code.lower()])),
    "created_date": moments,
}
optional = {
    "currency": st.none() | st.sampled_from(sorted(CURRENCIES)),
    "device_id": st.none() | texts.map(lambda text: text[:MAX_TEXT_LENGTH]),
    "ip_address": st.none() | st.ip_addresses().map(str),
    "voucher_code": st.none() | texts.map(lambda text: text[:MAX_TEXT_LENGTH]),
    "email": st.none() | st.emails(),
    "shipping_country": st.none() | st.sampled_from(sorted(COUNTRIES)),
    "account_created_date": st.none() | moments,
}
unknown = st.dictionaries(texts.filter(lambda name: name not in FIELDS), attribute_values, max_size=3)
orders = st.tuples(st.fixed_dictionaries(required, optional=optional), unknown).map(lambda pair: {**pair[1], **pair[0]})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary())
def test_arbitrary_bytes_decode_or_are_a_bad_event(value: bytes) -> None:
    with pytest.raises(BadEvent):
        EventDecoder().decode(value, APPENDED_AT)


@given(json_values)
def test_arbitrary_json_decodes_or_is_a_bad_event(value: object) -> None:
    with pytest.raises(BadEvent):
        EventDecoder().decode(orjson.dumps(value), APPENDED_AT)


@given(orders, st.dictionaries(st.sampled_from(sorted(FIELDS)), json_values, min_size=1, max_size=3))
def test_orders_with_arbitrary_fields_decode_or_are_a_bad_event(order: dict[str, Any], changed: dict[str, Any]) -> None:
    with contextlib.suppress(BadEvent):
        event = decode({**order, **changed})
        assert len(event.order_id) <= MAX_ID_LENGTH
        assert 0 < len(event.payment_method) <= MAX_PAYMENT_METHOD_LENGTH


@given(orders)
def test_good_orders_decode(order: dict[str, Any]) -> None:
    event = decode(order)

    assert event.order_id == order["order_id"]
    assert event.amount == order["amount"]
    assert event.payment_method in PAYMENT_METHODS
    assert event.created_date.tzinfo is UTC
    assert (event.attributes or {}) == {name: value for name, value in order.items() if name not in FIELDS}


@given(orders)
def test_normalising_twice_changes_nothing(order: dict[str, Any]) -> None:
    event = decode(order)

    assert EventDecoder().decode(as_json(event), APPENDED_AT) == event
    assert fingerprint(EventDecoder().decode(as_json(event), APPENDED_AT)) == fingerprint(event)


@given(orders, st.randoms(use_true_random=False))
def test_a_fingerprint_ignores_the_order_of_fields(order: dict[str, Any], random: Random) -> None:
    shuffled = list(order.items())
    random.shuffle(shuffled)

    one, other = (decode(fields) for fields in (order, dict(shuffled)))

    assert fingerprint(one) == fingerprint(other)


@given(orders, orders)
def test_a_fingerprint_tells_orders_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (decode(order) for order in (one, other))

    # By their JSON: to Python 1 and True are equal, and 1.0 is 1 there as here.
    assert (fingerprint(first) == fingerprint(second)) == (sorted_json(first) == sorted_json(second))


# Two orders that differ in each field.
ONE = {
    "order_id": "a", "user_id": "a", "product_id": "a", "quantity": 7, "amount": 1, "payment_method": "DANA",
    "country": "ID", "created_date": "2025-11-30T02:15:00.123456", "currency": "USD", "device_id": "a",
    "ip_address": "10.0.0.1", "voucher_code": "a", "email": "a", "shipping_country": "SG",
    "account_created_date": "2025-01-01T00:00:00+07:00", "attribute": "a",
}  # fmt: skip
OTHER = {
    "order_id": "b", "user_id": "b", "product_id": "b", "quantity": 8, "amount": 2, "payment_method": "OVO",
    "country": "SG", "created_date": "2025-11-30T02:15:00.123457", "currency": "EUR", "device_id": "b",
    "ip_address": "10.0.0.2", "voucher_code": "b", "email": "b", "shipping_country": "ID",
    "account_created_date": "2025-01-01T00:00:01+07:00", "attribute": "b",
}  # fmt: skip


@pytest.mark.parametrize("field", sorted(ONE))
def test_a_fingerprint_sees_every_field(field: str) -> None:
    assert FIELDS | {"attribute"} == ONE.keys()

    assert fingerprint(decode(ONE)) != fingerprint(decode({**ONE, field: OTHER[field]}))


def test_a_fingerprint_sees_the_moment_and_not_its_offset() -> None:
    one, other = (decode({**ONE, "created_date": date}) for date in ("2026-11-22T10:00:00", "2026-11-22T03:00:00Z"))

    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 32


def decode(order: dict[str, Any]) -> OrderEvent:
    return EventDecoder().decode(orjson.dumps(order), APPENDED_AT)


def as_json(event: OrderEvent) -> bytes:
    """The event as a message once more."""
    fields = event._asdict()
    attributes = fields.pop("attributes") or {}
    return orjson.dumps({**attributes, **{name: value for name, value in fields.items() if value is not None}})


def sorted_json(event: OrderEvent) -> bytes:
    return orjson.dumps({**event._asdict(), "attributes": same_numbers(event.attributes)}, option=orjson.OPT_SORT_KEYS)
