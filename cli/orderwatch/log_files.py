"""Reading log files: their last lines, and what is added to them."""

import os
from pathlib import Path

_BLOCK = 64 * 1024


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file, at most `count`; none when it is not there."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            tail = b""
            while size > 0 and tail.count(b"\n") <= count:
                step = min(_BLOCK, size)
                size -= step
                file.seek(size)
                tail = file.read(step) + tail
    except FileNotFoundError:
        return []
    lines = tail.decode(errors="replace").splitlines()
    return lines[-count:] if count else []


class Follower:
    """Yields what is added to a file, line by line, also across its rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._position = 0
        self._rest = b""
        if path.exists():
            found = path.stat()
            self._inode, self._position = found.st_ino, found.st_size

    def read(self) -> list[str]:
        """The complete lines since the last call."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self._position:
                    self._inode, self._position, self._rest = found.st_ino, 0, b""
                file.seek(self._position)
                added = file.read()
        except FileNotFoundError:
            return []
        self._position += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        return [line.decode(errors="replace") for line in lines]
