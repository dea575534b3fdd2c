"""Replay of a file or stdin: reads lines as bytes, and turns each into a message."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from marketplace_simulator.orders import OrderMessage
from order_contract.business_time import parse_moment

CHUNK_BYTES = 256 * 1024
_CHUNKS_AHEAD = 4


class LineSplitter:
    r"""Splits chunks of bytes into lines at `\n` and nowhere else; bytes are not changed.

    Of a line beyond `longest` bytes only one byte more is kept: memory is bounded, and the line is still recognised as
    too long.
    """

    def __init__(self, longest: int) -> None:
        self._kept = longest + 1
        self._rest: list[bytes] = []
        self._rest_size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk."""
        first, *others = chunk.split(b"\n")
        self._keep(first)
        if not others:
            return []
        lines = [self._line(), *(line[: self._kept] for line in others[:-1])]
        self._keep(others[-1])
        return lines

    def end(self) -> list[bytes]:
        """The last line when no line end came after it."""
        return [self._line()] if self._rest_size else []

    def _keep(self, part: bytes) -> None:
        part = part[: self._kept - self._rest_size]
        if part:
            self._rest.append(part)
            self._rest_size += len(part)

    def _line(self) -> bytes:
        line = b"".join(self._rest)
        self._rest.clear()
        self._rest_size = 0
        return line


# How many lines of a pipe are read before its kind is checked, unless the first one is a JSON object.
_CONCLUSIVE_LINES = 3

Check = Callable[[bytes, bool], None]
"""Checks the first bytes, given whether they are all; raises if the content should not be read as lines."""


async def read_lines(descriptor: int, longest: int, check: Check | None = None) -> AsyncIterator[bytes]:
    """The lines of an open file, pipe or terminal, each as soon as it is available.

    Raises OSError if it cannot be read, and the error of `check`, before the first line.
    """
    splitter = LineSplitter(longest)
    chunks = _chunks(descriptor)
    async for chunk in chunks if check is None else _check_head(chunks, check):
        for line in splitter.feed(chunk):
            yield line
    for line in splitter.end():
        yield line


def is_conclusive(head: bytes) -> bool:
    """Whether the first bytes are enough to check the kind of the content."""
    first, end, _ = head.partition(b"\n")
    if not end:
        return False
    return (first.startswith(b"{") and first.rstrip().endswith(b"}")) or head.count(b"\n") >= _CONCLUSIVE_LINES


async def _check_head(chunks: AsyncIterator[bytes], check: Check) -> AsyncIterator[bytes]:
    """The chunks, after the first ones were checked."""
    head: bytes | None = b""
    async for chunk in chunks:
        if head is None:
            yield chunk
            continue
        head += chunk
        if is_conclusive(head) or len(head) >= CHUNK_BYTES:
            check(head, False)
            yield head
            head = None
    if head:
        check(head, True)
        yield head


async def _chunks(descriptor: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(_CHUNKS_AHEAD)

    def read() -> None:
        chunk: bytes | OSError = b"any"
        while chunk and not isinstance(chunk, OSError):
            room.acquire()
            try:
                chunk = os.read(descriptor, CHUNK_BYTES)
            except OSError as error:
                chunk = error
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop has ended
                return

    # ReadProgress a pipe blocks and cannot be cancelled: a daemon thread may stay blocked in it.
    threading.Thread(target=read, name="read-lines", daemon=True).start()
    while chunk := await chunks.get():
        if isinstance(chunk, OSError):
            raise chunk
        room.release()
        yield chunk


def count_lines(descriptor: int, most_bytes: int) -> int | None:
    """The lines of an open regular file, None when it has more bytes than `most_bytes`."""
    lines, place, last = 0, 0, b"\n"
    while chunk := os.pread(descriptor, CHUNK_BYTES, place):
        place += len(chunk)
        if place > most_bytes:
            return None
        lines += chunk.count(b"\n")
        last = chunk[-1:]
    return lines + (last != b"\n")


_LONGEST_KEY = 64  # characters: the longest user_id of an order event


@dataclass(slots=True)
class ReadProgress:
    """How many lines were read so far."""

    lines: int = 0
    ended: bool = False


async def replay_messages(
    lines: AsyncIterator[bytes], *, dated: bool, progress: ReadProgress | None = None
) -> AsyncIterator[OrderMessage]:
    """One message per line, named by its number; with the event's time where it can be read, when `dated`."""
    progress = progress or ReadProgress()
    async for line in lines:
        progress.lines += 1
        yield parse_line(line, progress.lines, dated=dated)
    progress.ended = True


def parse_line(line: bytes, number: int, *, dated: bool = False) -> OrderMessage:
    """The message of a line, valid or not: the detector decides that."""
    event = _fields(line)
    return OrderMessage(_key(event), line, f"line {number}", created=_parse_created_date(event) if dated else None)


def _fields(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return value if type(value) is dict else {}


def _key(event: dict[str, Any]) -> bytes | None:
    """The user_id, if its length is valid: a longer one could make the message too large."""
    user_id = event.get("user_id")
    return user_id.encode() if type(user_id) is str and 0 < len(user_id) <= _LONGEST_KEY else None


def _parse_created_date(event: dict[str, Any]) -> datetime | None:
    created_date = event.get("created_date")
    if type(created_date) is not str:
        return None
    try:
        return parse_moment(created_date)
    except ValueError:
        return None
