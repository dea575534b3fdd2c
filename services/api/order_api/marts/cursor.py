"""Cursors of marts: a place in one publication. Of the next one they are unknown, as pages would not fit together."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Final
from uuid import UUID

from pydantic import StringConstraints

from order_api.problems.requests import CursorUnknown

_PUBLICATION_BYTES: Final = 16
_POSITION_BYTES: Final = 8
CursorText = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{32}$")]


def write_cursor(publication: UUID, position: int) -> str:
    """The cursor for the page that comes after the row at `position`."""
    return urlsafe_b64encode(publication.bytes + position.to_bytes(_POSITION_BYTES)).decode()


def read_cursor(cursor: str, publication: UUID) -> int:
    """The position in a cursor. Raises CursorUnknown for one of another publication."""
    decoded = urlsafe_b64decode(cursor)
    position = int.from_bytes(decoded[_PUBLICATION_BYTES:])
    # The sign bit: positions are Postgres' bigints.
    if decoded[:_PUBLICATION_BYTES] != publication.bytes or position >= 1 << 63:
        raise CursorUnknown
    return position
