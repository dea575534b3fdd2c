"""Values of lists: normalised as the detector normalises the fields of orders, and read from files beside rules."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import orjson

from decision_engine.history.declaration import ATTRIBUTE
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import MAX_TEXT_LENGTH, BadEvent

_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
# A valid order, of which one field is replaced by the value in question.
_ORDER: Final[Mapping[str, object]] = {
    "order_id": "o", "user_id": "u", "product_id": "p", "quantity": 1, "amount": 1, "payment_method": "GoPay",
    "country": "ID", "created_date": "2026-01-01T00:00:00Z",
}  # fmt: skip


def normalise_value(field_name: str, value: str, decoder: EventDecoder) -> str:
    """A value as the detector normalises the field of an order: codes in upper case, addresses in their short form.

    Raises ValueError.
    """
    is_attribute = field_name.startswith(ATTRIBUTE)
    if is_attribute and not 0 < len(value) <= MAX_TEXT_LENGTH:
        raise ValueError(f"{field_name} must be text of 1 to {MAX_TEXT_LENGTH} characters")
    try:
        event = decoder.decode(orjson.dumps({**_ORDER, field_name.removeprefix(ATTRIBUTE): value}), _LATEST)
    except (BadEvent, TypeError) as error:  # orjson refuses lone surrogates by TypeError
        raise ValueError(str(error)) from None
    normalised = value if is_attribute else getattr(event, field_name)
    if normalised is None or value == "":
        raise ValueError(f"{field_name} must not be empty")
    return str(normalised)


def read_value_lines(text: str) -> Iterator[tuple[int, str]]:
    """The values of a file, one per line, with their line numbers; empty lines and those that begin with # are none."""
    for number, line in enumerate(text.splitlines(), 1):
        value = line.strip()
        if value and not value.startswith("#"):
            yield number, value
