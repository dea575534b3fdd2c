"""Cursors of listings of dead letters; `orders/cursor.py` says what a cursor is."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Annotated, Final

import orjson
from pydantic import StringConstraints

from dead_letters.repository import DeadLetterFilters, DeadLetterPosition
from order_api.orders.criteria import EARLIEST
from order_api.problems.requests import CursorUnknown
from order_contract.origin import parse_origin

_CHECKSUM_BYTES: Final = 9
_MICROSECOND: Final = timedelta(microseconds=1)
CursorText = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{16,640}$")]


def write_cursor(position: DeadLetterPosition, criteria: DeadLetterFilters) -> str:
    """The cursor for the page that comes after `position`."""
    place = orjson.dumps([(position.recorded_at - EARLIEST) // _MICROSECOND, str(position.origin)])
    return urlsafe_b64encode(_checksum(place, criteria) + place).rstrip(b"=").decode()


def read_cursor(cursor: str, criteria: DeadLetterFilters) -> DeadLetterPosition:
    """The position in a cursor. Raises CursorUnknown for one that was not written for these criteria."""
    try:
        decoded = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        checksum, place = decoded[:_CHECKSUM_BYTES], decoded[_CHECKSUM_BYTES:]
        if checksum != _checksum(place, criteria):
            raise CursorUnknown
        microseconds, origin = orjson.loads(place)
        position = DeadLetterPosition(EARLIEST + microseconds * _MICROSECOND, parse_origin(origin))
    except (ValueError, TypeError, OverflowError):
        raise CursorUnknown from None
    if write_cursor(position, criteria) != cursor:  # base64 has several spellings for the same bytes
        raise CursorUnknown
    return position


def _checksum(place: bytes, criteria: DeadLetterFilters) -> bytes:
    return hashlib.blake2b(place + orjson.dumps(criteria), digest_size=_CHECKSUM_BYTES).digest()
