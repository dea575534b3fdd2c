"""What each error type means, and what to do about it. docs/errors.md says the same."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from order_contract.nearest import nearest_name


class ErrorKind(NamedTuple):
    """One type of error."""

    meaning: str
    advice: str


CATALOGUE: Final[Mapping[str, ErrorKind]] = {
    "empty": ErrorKind("the message has no value", "look at the producer: tombstones and empty lines are no orders"),
    "not-json": ErrorKind(
        "the bytes are not JSON, or not in UTF-8",
        "the error names the byte at fault, a likely cause (another encoding, compression, a message that was cut off) "
        "and what to do",
    ),
    "not-an-object": ErrorKind("JSON, but a list, a number or text", "send one object a message"),
    "envelope": ErrorKind(
        "the order is wrapped in another message: a change event, a connector's or cloud format, a registry's framing",
        "the error names the format; publish the order itself, mostly by a setting of the connector",
    ),
    "missing-field": ErrorKind("a required field is not there", "add it, and redrive the corrected order"),
    "bad-value": ErrorKind(
        "a field has the wrong type or an impossible value",
        "the error says what it must be, what it is and mostly what to write; correct it and redrive. A time in the "
        "future is bad beyond ORDERWATCH_MAX_FUTURE_HOURS",
    ),
    "out-of-range": ErrorKind(
        "a number beyond 64 bits, or an attribute nested deeper than 100 levels", "send large numbers as text"
    ),
    "not-storable": ErrorKind("text with a NUL character, which no database stores", "clean it at its source"),
    "conflict": ErrorKind(
        "an order_id that was decided before, with other content",
        "find out which of the two is right; ids must not be used twice. A redrive needs a body with another order_id",
    ),
}


def check_error_type(text: str) -> str:
    """An error type as it was typed. Raises ValueError, which names the nearest one."""
    if text in CATALOGUE:
        return text
    nearest = nearest_name(text.strip().lower().replace("_", "-")[:64], {name: name for name in CATALOGUE})
    hint = f"; write {nearest}" if nearest else ""
    raise ValueError(f"{text[:64]!r} is not an error type; there are {', '.join(CATALOGUE)}{hint}")
