"""The pure parts of dead letters, and the documentation of error types."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dead_letters.model import RedriveState
from dead_letters.repository import DeadLetterFilters, DeadLetterPosition, build_list_query
from dead_letters.serialization import serialize_bytes
from order_contract.error_types import ERROR_DESCRIPTIONS, ErrorType
from order_contract.event import read_claimed_id
from order_contract.origin import Origin, parse_origin

REPOSITORY = Path(__file__).parents[3]
NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)


def test_an_origin_is_read_as_it_is_written() -> None:
    origin = Origin("orders-2.v1", 3, 12345)
    assert str(origin) == "orders-2.v1/3/12345"
    assert parse_origin(str(origin)) == origin
    again = origin._replace(epoch=2)
    assert str(again) == "orders-2.v1@2/3/12345"
    assert parse_origin(str(again)) == again


@pytest.mark.parametrize(
    "text",
    ["", "orders", "orders/3", "orders/3/", "orders/x/1", "o/3/-1", "o/3/1/2", "ö/1/1", "o/1/1\n", "o@/1/1", "o@0/1/1"],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid origin; write it as orders/3/12345"):
        parse_origin(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"order_id":"o1"}', "o1"),
        (b'{"order_id":7}', None),
        (b'{"order_id":""}', None),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
        (b"", None),
        (None, None),
    ],
)
def test_the_id_that_is_claimed(value: bytes | None, expected: str | None) -> None:
    assert read_claimed_id(value, "order_id") == expected


def test_bytes_for_people() -> None:
    assert serialize_bytes("ä".encode()) == {"text": "ä", "base64": None}
    assert serialize_bytes(b"\xff") == {"text": None, "base64": "/w=="}
    assert serialize_bytes(None) == {"text": None, "base64": None}


def test_a_page_asks_for_what_is_wanted_and_nothing_else() -> None:
    criteria = DeadLetterFilters(error_type="not-json", state=RedriveState.OPEN)
    statement, arguments = build_list_query(criteria, DeadLetterPosition(NOON, Origin("orders", 1, 2)), 10)
    assert arguments == ["not-json", RedriveState.OPEN, NOON, "orders", 1, 1, 2]
    assert "error_type = $1 and state = $2 and" in statement
    assert "< ($3, $4, $5, $6, $7)" in statement
    assert "where" not in build_list_query(DeadLetterFilters(), None, 10)[0]


def test_every_error_type_is_described() -> None:
    assert set(ERROR_DESCRIPTIONS) == set(ErrorType)


def test_the_documentation_says_what_the_catalogue_says() -> None:
    page = (REPOSITORY / "docs" / "errors.md").read_text()
    rows = re.findall(r"^\| ([a-z-]+) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    documented = {name: (meaning, advice) for name, meaning, advice in rows if name in ERROR_DESCRIPTIONS}
    assert documented == {name: tuple(kind) for name, kind in ERROR_DESCRIPTIONS.items()}
