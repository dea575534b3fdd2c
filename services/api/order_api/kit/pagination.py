"""Keyset pagination: cursors as text that a URL can carry, and `Link` headers that lead to the next page.

A cursor holds a place in the order of the listing (newest first), not a count, so pages neither repeat nor skip a row
while new ones are stored. A checksum ties it to the listing, which is its filters; it detects slips, and is no secret.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote, urlencode

import orjson
from fastapi import Request
from pydantic import StringConstraints

from order_api.http.problems.requests import CursorUnknown
from order_contract.event import MAX_INT64

Place = TypeVar("Place")
Item = TypeVar("Item")

_CHECKSUM_BYTES: Final = 9
_MICROSECOND: Final = timedelta(microseconds=1)
# The years 1970 to 9998, which an order can be placed in, whatever its clock's time zone.
EARLIEST: Final = datetime(1969, 12, 31, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 2, tzinfo=UTC)

CursorText = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{16,640}$")]

LINK_HEADER: Final[dict[str, Any]] = {
    "headers": {"Link": {"description": "the next page, with rel=next", "schema": {"type": "string"}}}
}
"""The 200 response of a route with pages, for FastAPI's argument `responses`."""


def write_cursor(listing: object, *place: object) -> str:
    """The cursor for the page after a place, which is a few values that JSON can hold; times by `write_time`."""
    encoded = orjson.dumps(place)
    return urlsafe_b64encode(_checksum(encoded, listing) + encoded).rstrip(b"=").decode()


def parse_id(value: int) -> int:
    """The id in a cursor. Raises ValueError for what is not the id of a row."""
    if type(value) is not int or not 0 < value <= MAX_INT64:
        raise ValueError("is not an id")
    return value


def cut_page(
    found: Sequence[Item], limit: int, listing: object, place: Callable[[Item], tuple[object, ...]]
) -> tuple[Sequence[Item], str | None]:
    """The items of a page, and the cursor for the next one: there is one when more than `limit` were found.

    Callers fetch `limit + 1` items. `place` gives the values of an item's place in the listing.
    """
    items = found[:limit]
    return items, write_cursor(listing, *place(items[-1])) if len(found) > len(items) else None


def read_cursor(cursor: str, listing: object, parse: Callable[..., Place]) -> Place:
    """What `parse` makes of the place's values. Raises CursorUnknown for a cursor of another listing.

    So it does when `parse` raises ValueError, TypeError or OverflowError: the checksum can be forged.
    """
    try:
        decoded = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        checksum, encoded = decoded[:_CHECKSUM_BYTES], decoded[_CHECKSUM_BYTES:]
        values = orjson.loads(encoded)
        # base64 and JSON have several spellings for the same values.
        if checksum != _checksum(encoded, listing) or write_cursor(listing, *values) != cursor:
            raise CursorUnknown
        return parse(*values)
    except (ValueError, TypeError, OverflowError):
        raise CursorUnknown from None


def write_time(moment: datetime) -> int:
    """A time as a value of a cursor."""
    return (moment - EARLIEST) // _MICROSECOND


def read_time(microseconds: int) -> datetime:
    """The time in a cursor. Raises ValueError outside the years that an order can have."""
    moment = EARLIEST + microseconds * _MICROSECOND
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("is outside the years that an order can have")
    return moment


def link_headers(request: Request, cursor: str | None) -> dict[str, str]:
    """Header `Link` to the next page: the same path and parameters with another cursor; none on the last page.

    Encoded, so nothing in the parameters can end the header.
    """
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{quote(request.scope["path"])}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}


def _checksum(place: bytes, listing: object) -> bytes:
    return hashlib.blake2b(place + orjson.dumps(listing), digest_size=_CHECKSUM_BYTES).digest()
