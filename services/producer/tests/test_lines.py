r"""Lines: cut at `\n` and nowhere else, no byte changed, nothing lost, memory bounded."""

import os
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_producer.replay import CHUNK_BYTES, LineSplitter, read_lines

LONGEST = 8


def expected(data: bytes, longest: int = LONGEST) -> list[bytes]:
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [line[: longest + 1] for line in lines]


@given(st.lists(st.lists(st.sampled_from([b"\n", b"\r", b"a", b"\x00\xff", b"12345678", b"123456789"])).map(b"".join)))
def test_lines_are_the_same_however_the_bytes_come(chunks: list[bytes]) -> None:
    splitter = LineSplitter(LONGEST)

    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()

    assert lines == expected(b"".join(chunks))


def test_a_line_too_long_is_one_byte_too_long() -> None:
    splitter = LineSplitter(LONGEST)
    lines = []
    for _ in range(1_000):
        lines += splitter.feed(b"x" * 1_000)
        assert splitter._rest_size <= LONGEST + 1
        assert len(splitter._rest) <= LONGEST + 2
    lines += splitter.feed(b"\nshort\n")

    assert lines == [b"x" * (LONGEST + 1), b"short"]


async def read(descriptor: int, longest: int = 10**9) -> list[bytes]:
    return [line async for line in read_lines(descriptor, longest)]


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"a", b"a\n", b"\n\na\r\n\n", b"\xff\x00\n\xfe", b"y" * (3 * CHUNK_BYTES) + b"\nz", b"ab\n" * 300_000],
    ids=range(8),
)
async def test_a_file_is_read_to_its_end(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(data)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        assert await read(descriptor) == expected(data, 10**9)
    finally:
        os.close(descriptor)


async def test_a_pipe_gives_each_line_as_soon_as_it_is_there() -> None:
    progress, writing = os.pipe()
    lines = read_lines(progress, LONGEST)

    os.write(writing, b"one\ntw")
    assert await anext(lines) == b"one"
    os.write(writing, b"o\n")
    assert await anext(lines) == b"two"
    os.write(writing, b"three")
    os.close(writing)
    assert await anext(lines) == b"three"
    with pytest.raises(StopAsyncIteration):
        await anext(lines)
    os.close(progress)


async def test_no_more_is_read_than_is_asked_for() -> None:
    ours, theirs = socket.socketpair()
    written = 0

    def write() -> None:
        nonlocal written
        try:
            while True:
                written += theirs.send(b"0123456\n" * 4_096)
        except OSError:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    lines = read_lines(ours.fileno(), LONGEST)
    for _ in range(50_000):
        assert await anext(lines) == b"0123456"
    theirs.shutdown(socket.SHUT_RDWR)
    writer.join()
    assert written < 50_000 * 8 + 16 * CHUNK_BYTES
    ours.close()
    theirs.close()


async def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            await read(descriptor)
    finally:
        os.close(descriptor)
