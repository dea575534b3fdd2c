"""The pure parts of looking after dead letters, and the catalogue against the code that refuses messages."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import order_contract
from dead_letters.model import State
from dead_letters.payload import claimed_id, readable
from dead_letters.repository import LetterCriteria, LetterPosition, listing
from order_contract.error_types import CATALOGUE
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
    assert claimed_id(value, "order_id") == expected


def test_bytes_for_people() -> None:
    assert readable("ä".encode()) == {"text": "ä", "base64": None}
    assert readable(b"\xff") == {"text": None, "base64": "/w=="}
    assert readable(None) == {"text": None, "base64": None}


def test_a_page_asks_for_what_is_wanted_and_nothing_else() -> None:
    criteria = LetterCriteria(error_type="not-json", state=State.OPEN)
    statement, arguments = listing(criteria, LetterPosition(NOON, Origin("orders", 1, 2)), 10)
    assert arguments == ["not-json", State.OPEN, NOON, "orders", 1, 1, 2]
    assert "error_type = $1 and state = $2 and" in statement
    assert "< ($3, $4, $5, $6, $7)" in statement
    assert "where" not in listing(LetterCriteria(), None, 10)[0]


def raised_error_types() -> set[str]:
    """Every type that a message can be refused with: `BadEvent`, `Fault`, `DeadLetter` in the sources."""
    found = set()
    places = {"BadEvent": 0, "Fault": 0, "DeadLetter": 1}
    folders = (Path(order_contract.__file__).parent, REPOSITORY / "services" / "fraud-detector" / "fraud_detector")
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", None) not in places:
                continue
            argument = node.args[places[node.func.id]]  # type: ignore[attr-defined]
            if isinstance(argument, ast.Constant):
                found.add(str(argument.value))
    return found


def test_the_catalogue_has_every_error_type_and_no_other() -> None:
    assert set(CATALOGUE) == raised_error_types()


def test_the_documentation_says_what_the_catalogue_says() -> None:
    page = (REPOSITORY / "docs" / "errors.md").read_text()
    rows = re.findall(r"^\| ([a-z-]+) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    documented = {name: (meaning, advice) for name, meaning, advice in rows if name in CATALOGUE}
    assert documented == {name: tuple(kind) for name, kind in CATALOGUE.items()}
