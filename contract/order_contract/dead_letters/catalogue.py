"""What each error type means, and what to do about it. docs/errors.md says the same."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class ErrorKind(NamedTuple):
    """One type of error."""

    meaning: str
    advice: str


CATALOGUE: Final[Mapping[str, ErrorKind]] = {
    "empty": ErrorKind("the message has no value", "look at the producer: tombstones and empty lines are no orders"),
    "not-json": ErrorKind(
        "the bytes are no JSON, or no UTF-8",
        "the error says at which character; UTF-16 and byte order marks are common",
    ),
    "not-an-object": ErrorKind("JSON, but a list, a number or text", "send one object a message"),
    "missing-field": ErrorKind("a required field is not there", "add it, and redrive the corrected order"),
    "bad-value": ErrorKind(
        "a field has the wrong type or an impossible value",
        "the error says what it must be and what it is; correct it and redrive. A payment method that is really in "
        "use belongs into ORDERWATCH_PAYMENT_METHODS: then redrive the originals",
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
