"""Messages as a line for a person."""

import orjson

from order_platform.command_line.terminal_text import printable
from orderwatch.formatting import (
    SHOWN,
    business_time,
    format_message,
    money,
    outcome_text,
    plain_bytes,
    reasons,
)


def test_a_decision_says_what_and_why() -> None:
    decision = {
        "order_id": "o1",
        "user_id": "U1",
        "outcome": "review",
        "risk_score": 50,
        "hits": [{"rule": "foreign-country", "reason": "Ordered from NG, not from Indonesia."}],
    }
    assert (
        format_message(b"o1", orjson.dumps(decision), []).plain
        == "o1 of U1  review 50  Ordered from NG, not from Indonesia."
    )


def test_an_order_shows_its_fields() -> None:
    assert format_message(b"U1", b'{"order_id": "o1", "quantity": 2}', []).plain == "order_id=o1  quantity=2"


def test_a_dead_letter_says_its_error_first() -> None:
    line = format_message(b"orders/0/1", b"{not json", [("error_type", b"not-json"), ("error", b"not JSON: ...")]).plain
    assert line == "not JSON: ...  {not json"


def test_other_bytes_are_shown_without_steering_the_terminal() -> None:
    assert format_message(None, b"\xff\x1b[2J" + b"x" * 5_000_000, []).plain.startswith("��[2Jxxx")
    assert len(format_message(None, b"x" * 5_000_000, []).plain) == SHOWN


def test_values_read_as_people_write_them() -> None:
    assert money(125_000_000, "IDR") == "125,000,000 IDR"
    assert business_time("2026-11-22T03:15:00.123Z") == "2026-11-22 10:15:00 WIB"
    assert outcome_text("review", 50).plain == "review 50"
    assert printable("a\nb\x1b[2J") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J"
    assert printable("a\nb", keep="\n") == "a\nb"


def test_a_shadow_rule_is_marked_and_text_of_others_does_not_steer() -> None:
    hits = [{"reason": "One.", "mode": "live"}, {"reason": "Two\x1b.", "mode": "shadow"}, "another format"]
    assert reasons(hits, "\n") == "One.\nTwo\N{REPLACEMENT CHARACTER}. (shadow)"
    assert reasons([{"reason": "Three.", "mode": "snoozed"}]) == "Three. (snoozed)"


def test_bytes_for_programs_are_text_or_base64() -> None:
    assert [plain_bytes(value) for value in (None, b"a", b"\xff")] == [None, "a", {"base64": "/w=="}]
