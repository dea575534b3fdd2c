"""What is uploaded for a load job: one stream out of a partition's files, made while it is read.

A load job that replaces a partition in one go takes one stream. One file is sent as it is. Several are sent as one
gzip member: nothing that reads gzip may stop at the end of the first. Beyond what BigQuery takes as gzip the lines
are sent as they are, which it then reads in parallel.
"""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

GZIP_LIMIT = 4 * 1024**3
"""Bytes that BigQuery takes in one gzip file."""

_GZIP = 16 + zlib.MAX_WBITS
_FASTEST = 1
_READ = 1024**2
# Where a gzip file says when it was made.
_TIME = slice(4, 8)


def content_digest(files: Sequence[Path]) -> str:
    """The same for files that were compressed from the same lines, whenever that was; 32 characters."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            head = bytearray(file.read(10))
            head[_TIME] = bytes(4)
            digest.update(head)
            while block := file.read(_READ):
                digest.update(block)
    return digest.hexdigest()[:32]


@contextmanager
def open_upload(files: Sequence[Path]) -> Iterator[tuple[IO[bytes], int | None]]:
    """The stream to send, at its beginning, and its size when that is known beforehand."""
    size = sum(path.stat().st_size for path in files)
    if len(files) == 1 and size <= GZIP_LIMIT:
        with files[0].open("rb") as file:
            yield file, size
        return
    blocks = _lines(files)
    yield cast("IO[bytes]", _Stream(_compressed(blocks) if size <= GZIP_LIMIT else blocks)), None


def _lines(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        with gzip.open(path, "rb") as file:
            while block := file.read(_READ):
                yield block


def _compressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_FASTEST, wbits=_GZIP)
    for block in blocks:
        yield compressor.compress(block)
    yield compressor.flush()


class _Stream(io.BufferedIOBase):
    """Blocks to be read once, from the beginning. A read gives as much as was asked for, until the end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = bytearray()
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = None if size is None or size < 0 else size
        while wanted is None or len(self._rest) < wanted:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest += block
        answer = bytes(self._rest[:wanted])
        del self._rest[:wanted]
        self._position += len(answer)
        return answer
