"""Readers of log files: the last lines, and lines as they are added."""

import os
from pathlib import Path

_BLOCK = 64 * 1024


def last_lines(path: Path, count: int, since: int = 0) -> list[str]:
    """The last lines of a file, at most `count`, from a position on; none when it is not there."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            tail = b""
            while size > since and tail.count(b"\n") <= count:
                step = min(_BLOCK, size - since)
                size -= step
                file.seek(size)
                tail = file.read(step) + tail
    except FileNotFoundError:
        return []
    lines = tail.decode(errors="replace").splitlines()
    return lines[-count:] if count else []


class LogMark:
    """The end of a log at one moment: what was written since, without what an earlier start left."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode, self._position = _file_identity(path)

    def lines(self, count: int) -> list[str]:
        """The last lines since then, at most `count`; of the current file only, where it was rotated since."""
        inode, size = _file_identity(self.path)
        since = self._position if inode == self._inode and size >= self._position else 0
        return last_lines(self.path, count, since)


def _file_identity(path: Path) -> tuple[int, int]:
    """The file at a path and its size; zeros where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size


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
