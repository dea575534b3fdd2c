"""Values that an order may lack: comparisons are false, arithmetic is absent, `is None` asks; nothing fails."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_engine.compilation import compile_condition, compile_sentence
from decision_engine.expression import ExpressionError
from decision_engine.schema import DEFAULT_SCHEMA, OrderList, Schema
from order_contract.event import OrderEvent

SCHEMA = Schema(
    fields=DEFAULT_SCHEMA.fields,
    features={"hour": int},
    optional=DEFAULT_SCHEMA.optional,
    attributes={"terminal": str, "sessions": int, "score": float, "vip": bool},
    history={"users": int, "total": int, "average": float},
    parameters={"large": 300, "risky": ("OVO", "DANA"), "strict": True},
    lists={"blocked": OrderList("blocked", "block", "device_id")},
)
PLACED = datetime(2026, 11, 22, 4, tzinfo=UTC)


def event(**values: Any) -> OrderEvent:
    plain = OrderEvent(
        "o", "u", "p", 1, 100, "IDR", "OVO", "ID", PLACED, None, None, None, None, None, None, None
    )  # fmt: skip
    return plain._replace(**values)


@pytest.mark.parametrize(
    ("text", "absent", "present"),
    [
        ("device_id == 'd'", False, True),
        ("device_id != 'x'", False, True),
        ("device_id in ['d']", False, True),
        ("device_id not in ['x']", False, True),
        ("not (device_id == 'd')", True, False),
        ("device_id is None", True, False),
        ("device_id is not None", False, True),
        ("attributes.sessions + 1 < 10", False, True),
        ("1 < attributes.sessions < 10", False, True),
        ("not (attributes.sessions * 2 > amount)", True, True),
        ("attributes.vip", False, True),
        ("not attributes.vip", True, False),
        ("attributes.vip == strict", False, True),
        ("(device_id == 'd') == attributes.vip", False, True),
        ("attributes.terminal != country and attributes.score > 0.5", False, True),
        ("users >= 3 or total / 2 > average", False, True),
        ("device_id in blocked", False, True),
        ("device_id not in blocked", False, False),
        ("created_date - account_created_date < 3600", False, True),
        ("created_date > account_created_date", False, True),
        ("amount < large and payment_method in risky and strict", True, True),
    ],
)
def test_a_comparison_with_something_absent_is_false(text: str, *, absent: bool, present: bool) -> None:
    condition = compile_condition(text, SCHEMA)
    assert condition(event(), {"hour": 1}) is absent
    full = event(
        device_id="d",
        account_created_date=PLACED.replace(minute=0, hour=3, second=1),
        attributes={"sessions": 5, "vip": True, "terminal": "T", "score": 1},
    )
    features = {"hour": 1, "users": 3, "total": 2**100, "average": 0.5, "lists": ("blocked",)}
    assert condition(full, features) is present


@pytest.mark.parametrize("value", ["5", True, 5.0, None, [5], {"a": 5}])
def test_an_attribute_of_another_type_than_declared_is_absent(value: object) -> None:
    assert compile_condition("attributes.sessions is None", SCHEMA)(event(attributes={"sessions": value}), {})


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("amount is None", "never absent"),
        ("device_id is 'd'", "asks whether something is absent"),
        ("device_id == None", "write 'name is None'"),
        ("attributes.colour == 'red'", "write 'attributes: {colour: text}'"),
        ("attributes.vip.x == 1", "not allowed"),
        ("user_id in blocked", "write device_id in blocked"),
        ("blocked == 'd'", "is a list; write device_id in blocked"),
        ("device_id in blokced", "unknown list 'blokced'; write blocked"),
        ("amount in risky", "holds a text"),
        ("created_date - 5 > 3", "difference of times needs a time"),
        ("created_date + account_created_date > 3", "arithmetic needs a number"),
        ("created_date > 5", "needs a time"),
        ("users" + " * total" * 20 + " > 1", "more than 300 digits"),
        ("amount" + " - amount" * 150 + " > 1", "nested too deeply"),
    ],
)
def test_what_can_never_be_meant_is_refused(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text, SCHEMA)
    assert hint in str(caught.value)


def test_descriptions_show_absent_values_as_none() -> None:
    sentence = compile_sentence(
        "{device_id} {attributes.sessions:,} {average:,} {users:02d} {attributes.vip} {created_date} {large:,}", SCHEMA
    )
    assert sentence(event(), {}) == "none none none none none 2026-11-22 11:00:00 WIB 300"
    full = event(device_id="d", attributes={"sessions": 5000, "vip": True})
    assert sentence(full, {"average": 1234.5, "users": 3}) == (
        "d 5,000 1,234.50 03 yes 2026-11-22 11:00:00 WIB 300"
    )  # fmt: skip


NAMES = st.sampled_from(sorted({*SCHEMA.types, "blocked", "risky", "3", "0.5", "1e308", "'ID'", "True", "None", "[1]"}))
OPERATORS = st.sampled_from(
    ["+", "-", "*", "//", "%", "/", "<", "<=", "==", "!=", "in", "not in", "is", "is not", "and", "or"]
)
TEXTS = st.recursive(
    NAMES,
    lambda inner: st.builds("({} {} {})".format, inner, OPERATORS, inner) | st.builds("(not {})".format, inner),
    max_leaves=8,
)
NUMBERS = st.one_of(st.none(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text(max_size=3))
TEXT_VALUES = st.none() | st.text(max_size=3)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    attributes=st.none()
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("sessions", "score", "vip", "terminal"), NUMBERS)),
    device=TEXT_VALUES,
    account=st.none() | MOMENTS,
    users=st.none() | st.integers(0, 2**40),
    total=st.none() | st.integers(0, 2**100),
    average=st.none() | st.floats(0, 2**63),
)
def test_no_accepted_expression_fails_on_any_order(  # noqa: PLR0917  (one per value that varies)
    texts: list[str],
    attributes: dict[str, Any] | None,
    device: str | None,
    account: datetime | None,
    users: int | None,
    total: int | None,
    average: float | None,
) -> None:
    order = event(
        device_id=device, account_created_date=account, attributes=attributes, quantity=2**63 - 1, amount=10**15
    )
    features = {"hour": 3, "users": users, "total": total, "average": average, "lists": ("blocked",)}
    for text in texts:
        try:
            condition = compile_condition(text, SCHEMA)
        except ExpressionError:
            continue
        assert condition(order, features) in (True, False)
        assert condition(event(), {"hour": 3}) in (True, False)
