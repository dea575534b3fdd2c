"""Messages made of the lines of a file: their bytes as they are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from marketplace_simulator.orders import OrderMessage
from order_contract.business_time import parse_moment

_LONGEST_KEY = 64  # characters: the longest user_id of an order event


@dataclass(slots=True)
class Reading:
    """How far the lines were read."""

    lines: int = 0
    ended: bool = False


async def replayed(
    lines: AsyncIterator[bytes], *, dated: bool, reading: Reading | None = None
) -> AsyncIterator[OrderMessage]:
    """One message per line, named by its number; with the event's time where it can be read, when `dated`."""
    reading = reading or Reading()
    async for line in lines:
        reading.lines += 1
        yield message_of_line(line, reading.lines, dated=dated)
    reading.ended = True


def message_of_line(line: bytes, number: int, *, dated: bool = False) -> OrderMessage:
    """The message that a line is. Nothing is judged here: what is no order goes too, and the detector says so."""
    event = _fields(line)
    return OrderMessage(_key(event), line, f"line {number}", created=_created(event) if dated else None)


def _fields(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return value if type(value) is dict else {}


def _key(event: dict[str, Any]) -> bytes | None:
    """The user_id, when it can be one: a text of megabytes would make the message too large, not just the order bad."""
    user_id = event.get("user_id")
    return user_id.encode() if type(user_id) is str and 0 < len(user_id) <= _LONGEST_KEY else None


def _created(event: dict[str, Any]) -> datetime | None:
    created_date = event.get("created_date")
    if type(created_date) is not str:
        return None
    try:
        return parse_moment(created_date)
    except ValueError:
        return None
