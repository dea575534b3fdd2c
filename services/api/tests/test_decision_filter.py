"""Which decisions a listener wants."""

import orjson
import pytest

from order_api.decisions.filters import EVERYTHING, DecisionFilter, FilterFields, read_filter_fields

VALUE = orjson.dumps(
    {
        "order_id": "o1",
        "user_id": "u1",
        "status": "fraud",
        "outcome": "review",
        "risk_score": 50,
        "hits": [{"rule": "foreign-country"}, {"rule": "large-order"}],
    }
)


def test_traits_are_read_from_the_value() -> None:
    assert read_filter_fields(VALUE) == FilterFields(
        "review", "fraud", "u1", 50, frozenset({"foreign-country", "large-order"})
    )


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"7", b"{}", b'{"outcome":1}', b"\xff", b'"text"'])
def test_invalid_decisions_have_no_filter_fields(value: bytes) -> None:
    assert read_filter_fields(value) == FilterFields()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (EVERYTHING, True),
        (DecisionFilter(flagged=True), True),
        (DecisionFilter(flagged=False), False),
        (DecisionFilter(outcome="review"), True),
        (DecisionFilter(outcome="decline"), False),
        (DecisionFilter(status="fraud"), True),
        (DecisionFilter(status="genuine"), False),
        (DecisionFilter(user_id="u1"), True),
        (DecisionFilter(user_id="u2"), False),
        (DecisionFilter(rule="large-order"), True),
        (DecisionFilter(rule="large"), False),
        (DecisionFilter(min_risk_score=50), True),
        (DecisionFilter(min_risk_score=51), False),
        (DecisionFilter(flagged=True, user_id="u1", rule="large-order", min_risk_score=1), True),
        (DecisionFilter(flagged=True, user_id="u2"), False),
    ],
)
def test_all_filters_must_hold(wanted: DecisionFilter, expected: bool) -> None:
    assert wanted.matches(read_filter_fields(VALUE)) is expected


def test_a_filter_wants_no_message_that_is_no_decision() -> None:
    filters = (
        DecisionFilter(flagged=True),
        DecisionFilter(flagged=False),
        DecisionFilter(user_id="u"),
        DecisionFilter(min_risk_score=1),
    )
    assert not any(wanted.matches(FilterFields()) for wanted in filters)
