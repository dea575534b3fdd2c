"""The error types of dead letters, what each means, and what to do about it (as docs/errors.md has it)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from order_contract.nearest import nearest_name


class ErrorType(StrEnum):
    """Why a message was rejected."""

    EMPTY = "empty"
    NOT_JSON = "not-json"
    NOT_AN_OBJECT = "not-an-object"
    ENVELOPE = "envelope"
    MISSING_FIELD = "missing-field"
    BAD_VALUE = "bad-value"
    OUT_OF_RANGE = "out-of-range"
    NOT_STORABLE = "not-storable"
    CONFLICT = "conflict"
    RETIRED_DATE = "retired-date"


class ErrorDescription(NamedTuple):
    """What an error type means, and what to do about it."""

    meaning: str
    advice: str


ERROR_DESCRIPTIONS: Final[Mapping[ErrorType, ErrorDescription]] = {
    ErrorType.EMPTY: ErrorDescription(
        "the message has no value", "look at the producer: tombstones and empty lines are no orders"
    ),
    ErrorType.NOT_JSON: ErrorDescription(
        "the bytes are not JSON, or not in UTF-8",
        "the error names the byte at fault, a likely cause (another encoding, compression, a message that was cut off) "
        "and what to do",
    ),
    ErrorType.NOT_AN_OBJECT: ErrorDescription("JSON, but a list, a number or text", "send one object a message"),
    ErrorType.ENVELOPE: ErrorDescription(
        "the order is wrapped in another message: a change event, a connector's or cloud format, a registry's framing",
        "the error names the format; publish the order itself, mostly by a setting of the connector",
    ),
    ErrorType.MISSING_FIELD: ErrorDescription(
        "a required field is not there", "add it, and redrive the corrected order"
    ),
    ErrorType.BAD_VALUE: ErrorDescription(
        "a field has the wrong type or an impossible value",
        "the error says what it must be, what it is and mostly what to write; correct it and redrive. A time in the "
        "future is bad beyond ORDERWATCH_MAX_FUTURE_HOURS",
    ),
    ErrorType.OUT_OF_RANGE: ErrorDescription(
        "a number beyond 64 bits, or an attribute nested deeper than 100 levels", "send large numbers as text"
    ),
    ErrorType.NOT_STORABLE: ErrorDescription(
        "text with a NUL character, which no database stores", "clean it at its source"
    ),
    ErrorType.CONFLICT: ErrorDescription(
        "an order_id that was decided before, with other content",
        "find out which of the two is right; ids must not be used twice. A redrive needs a body with another order_id",
    ),
    ErrorType.RETIRED_DATE: ErrorDescription(
        "an order of a business date whose orders were removed from Postgres; the warehouse keeps that date as it was",
        "look at why it comes so late: it may be a replay. Redriven as it is, it is refused again; an order that is "
        "missing in the books is corrected with a created_date of today",
    ),
}


def describe_error_type(text: str) -> ErrorDescription | None:
    """The description of a recorded error type, None for one that this release does not know."""
    return ERROR_DESCRIPTIONS[ErrorType(text)] if text in ERROR_DESCRIPTIONS else None


def parse_error_type(text: str) -> ErrorType:
    """Parse an error type. Raises ValueError, which names the nearest one."""
    try:
        return ErrorType(text)
    except ValueError:
        nearest = nearest_name(text.strip().lower().replace("_", "-")[:64], {name: name for name in ErrorType})
        hint = f"; write {nearest}" if nearest else ""
        raise ValueError(f"{text[:64]!r} is not an error type; there are {', '.join(ErrorType)}{hint}") from None
