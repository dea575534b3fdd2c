"""The wire format of server-sent events (WHATWG HTML, 9.2), for what this stream sends.

Lines end with LF; an id of its own, without data, moves the place to go on from and is no event to a browser.
"""

import re
from typing import Final

import orjson

from order_api.decisions.position import Position, write_id

# When a client that lost its connection should come back.
RETRY_MS: Final = 2000
KEEP_ALIVE: Final = "keep-alive"

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


def decision_event(position: Position, value: bytes) -> bytes:
    """A decision, to the byte as it stands on the topic; `position` is the one after it."""
    if b"\n" in value or b"\r" in value:  # none of ours, but JSON may have them
        value = b"\ndata: ".join(_LINE_BREAK.split(value))
    return b"id: %b\nevent: decision\ndata: %b\n\n" % (write_id(position).encode(), value)


def opening() -> bytes:
    """What every stream begins with."""
    return b"retry: %d\n\n" % RETRY_MS


def place(position: Position) -> bytes:
    """Only where to go on from."""
    return b"id: %b\n\n" % write_id(position).encode()


def reset_event(reason: str, position: Position) -> bytes:
    """What was asked for is not there; it goes on from `position`."""
    place_id = write_id(position)
    data = orjson.dumps({"reason": reason, "from": place_id})
    return b"id: %b\nevent: reset\ndata: %b\n\n" % (place_id.encode(), data)


def farewell(reason: str) -> bytes:
    """A comment that says why a stream ends."""
    return b": %b\n\n" % reason.encode()
