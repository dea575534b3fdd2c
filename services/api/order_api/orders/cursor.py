"""Cursors: the place in a listing where the next page starts, as text that a URL can carry.

A place is a position in the order of the listing (newest first), not a count, so pages neither repeat nor skip
an order while new ones come in. A checksum ties it to the filters; it keeps out slips, and is no secret.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Annotated, Final

import orjson
from pydantic import StringConstraints

from order_api.orders.criteria import EARLIEST, LATEST, Criteria, Position
from order_api.problems.requests import CursorUnknown
from order_contract.event import readable_id

_CHECKSUM_BYTES: Final = 9
_MICROSECOND: Final = timedelta(microseconds=1)
CursorText = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{16,640}$")]


def write_cursor(position: Position, criteria: Criteria) -> str:
    """The cursor for the page that comes after `position`."""
    place = orjson.dumps([(position.created_date - EARLIEST) // _MICROSECOND, position.order_id])
    return urlsafe_b64encode(_checksum(place, criteria) + place).rstrip(b"=").decode()


def read_cursor(cursor: str, criteria: Criteria) -> Position:
    """The position in a cursor. Raises CursorUnknown for one that was not written for these criteria."""
    try:
        decoded = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        checksum, place = decoded[:_CHECKSUM_BYTES], decoded[_CHECKSUM_BYTES:]
        if checksum != _checksum(place, criteria):
            raise CursorUnknown
        microseconds, order_id = orjson.loads(place)
        position = Position(EARLIEST + microseconds * _MICROSECOND, order_id)
        if readable_id(order_id) is None or not EARLIEST <= position.created_date <= LATEST:
            raise CursorUnknown
    except (ValueError, TypeError, OverflowError):
        raise CursorUnknown from None
    if write_cursor(position, criteria) != cursor:  # base64 has several spellings for the same bytes
        raise CursorUnknown
    return position


def _checksum(place: bytes, criteria: Criteria) -> bytes:
    return hashlib.blake2b(place + orjson.dumps(criteria), digest_size=_CHECKSUM_BYTES).digest()
