"""Reading a file or stdin line by line, as bytes, whatever they are."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable

CHUNK_BYTES = 256 * 1024
_CHUNKS_AHEAD = 4


class LineCutter:
    r"""Cuts chunks of bytes into lines at `\n` and nowhere else; bytes are not changed.

    Of a line beyond `longest` bytes only one byte more than that is kept: memory is bounded, and it is seen to be
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


# Of a pipe so many lines are waited for, to see what it is, unless the first one is a JSON object already.
_LINES_THAT_TELL = 3

Check = Callable[[bytes, bool], None]
"""Looks at the first bytes, and whether they are all; raises when lines should not be read of them."""


async def read_lines(descriptor: int, longest: int, check: Check | None = None) -> AsyncIterator[bytes]:
    """The lines of an open file, pipe or terminal, each as soon as it is there; none is held back, none kept.

    Raises OSError when it cannot be read, and what `check` raises, before the first line is given.
    """
    cutter = LineCutter(longest)
    chunks = _chunks(descriptor)
    async for chunk in chunks if check is None else _checked(chunks, check):
        for line in cutter.feed(chunk):
            yield line
    for line in cutter.end():
        yield line


def tells_enough(head: bytes) -> bool:
    """Whether the first bytes show of what kind the lines are."""
    first, end, _ = head.partition(b"\n")
    if not end:
        return False
    return (first.startswith(b"{") and first.rstrip().endswith(b"}")) or head.count(b"\n") >= _LINES_THAT_TELL


async def _checked(chunks: AsyncIterator[bytes], check: Check) -> AsyncIterator[bytes]:
    """The chunks, the first ones checked as soon as they tell enough."""
    head: bytes | None = b""
    async for chunk in chunks:
        if head is None:
            yield chunk
            continue
        head += chunk
        if tells_enough(head) or len(head) >= CHUNK_BYTES:
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
            except RuntimeError:  # the loop has ended meanwhile
                return

    # Reading a pipe blocks and cannot be called off: a daemon thread may be left behind in it.
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
