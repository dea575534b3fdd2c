"""Decoding in tests: orders that are valid as they are, and what the decoder says to others."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent, OrderEvent

APPENDED_AT = datetime(2026, 11, 28, 5, tzinfo=UTC)
SEED = {
    "order_id": "a1b2c3d4",
    "user_id": "U123",
    "product_id": "P1111",
    "quantity": 7,
    "amount": "Rp.125,000,000",
    "payment_method": "Paylater",
    "country": "ID",
    "created_date": "2025-11-30T02:15:00.123456",
}
ORDER: dict[str, Any] = {
    "order_id": "o-1", "user_id": "u-1", "product_id": "p-1", "quantity": 1, "amount": 1000, "payment_method": "GoPay",
    "country": "ID", "created_date": "2026-11-22T10:15:00",
}  # fmt: skip
TEXT = json.dumps(ORDER)


def decode_bytes(value: bytes | None) -> OrderEvent:
    """The order event of a message's value."""
    return EventDecoder().decode(value, APPENDED_AT)


def decode(fields: dict[str, Any], **changed: Any) -> OrderEvent:
    """The order event of these fields, some of them changed."""
    return decode_bytes(orjson.dumps({**fields, **changed}))


def refusal(value: str | bytes | None) -> BadEvent:
    """What is wrong with a message's value."""
    with pytest.raises(BadEvent) as caught:
        decode_bytes(value.encode() if isinstance(value, str) else value)
    return caught.value


def refused(fields: dict[str, Any], **changed: Any) -> BadEvent:
    """What is wrong with these fields, some of them changed."""
    return refusal(orjson.dumps({**fields, **changed}))
