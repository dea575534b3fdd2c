"""Which decisions a listener wants."""

import orjson
import pytest

from order_api.decisions.wanted import EVERYTHING, Traits, Wanted, traits_of

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
    assert traits_of(VALUE) == Traits("review", "fraud", "u1", 50, frozenset({"foreign-country", "large-order"}))


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"7", b"{}", b'{"outcome":1}', b"\xff", b'"text"'])
def test_what_is_no_decision_has_no_traits(value: bytes) -> None:
    assert traits_of(value) == Traits()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (EVERYTHING, True),
        (Wanted(flagged=True), True),
        (Wanted(flagged=False), False),
        (Wanted(outcome="review"), True),
        (Wanted(outcome="decline"), False),
        (Wanted(status="fraud"), True),
        (Wanted(status="genuine"), False),
        (Wanted(user_id="u1"), True),
        (Wanted(user_id="u2"), False),
        (Wanted(rule="large-order"), True),
        (Wanted(rule="large"), False),
        (Wanted(min_risk_score=50), True),
        (Wanted(min_risk_score=51), False),
        (Wanted(flagged=True, user_id="u1", rule="large-order", min_risk_score=1), True),
        (Wanted(flagged=True, user_id="u2"), False),
    ],
)
def test_all_filters_must_hold(wanted: Wanted, expected: bool) -> None:
    assert wanted.matches(traits_of(VALUE)) is expected


def test_a_filter_wants_no_message_that_is_no_decision() -> None:
    filters = (Wanted(flagged=True), Wanted(flagged=False), Wanted(user_id="u"), Wanted(min_risk_score=1))
    assert not any(wanted.matches(Traits()) for wanted in filters)
