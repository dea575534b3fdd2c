"""Messages as a line for a person."""

import orjson

from orderwatch.readable import SHOWN, readable


def test_a_decision_says_what_and_why() -> None:
    decision = {
        "order_id": "o1",
        "user_id": "U1",
        "outcome": "review",
        "risk_score": 50,
        "hits": [{"rule": "foreign-country", "reason": "Ordered from NG, not from Indonesia."}],
    }
    assert (
        readable(b"o1", orjson.dumps(decision), []).plain == "o1 of U1  review 50  Ordered from NG, not from Indonesia."
    )


def test_an_order_shows_its_fields() -> None:
    assert readable(b"U1", b'{"order_id": "o1", "quantity": 2}', []).plain == "order_id=o1  quantity=2"


def test_a_dead_letter_says_its_error_first() -> None:
    line = readable(b"orders/0/1", b"{not json", [("error_type", b"not-json"), ("error", b"not JSON: ...")]).plain
    assert line == "not JSON: ...  {not json"


def test_other_bytes_are_shown_without_steering_the_terminal() -> None:
    assert readable(None, b"\xff\x1b[2J" + b"x" * 5_000_000, []).plain.startswith("��[2Jxxx")
    assert len(readable(None, b"x" * 5_000_000, []).plain) == SHOWN
