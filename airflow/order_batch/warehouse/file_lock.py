"""File lock: one process at a time writes to a DuckDB file or to dbt's target folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Final

import structlog

log = structlog.get_logger()

WARN_AFTER_SECONDS: Final = 2.0
"""A shorter wait is not logged: loads of a few thousand orders take turns faster than that."""


@contextmanager
def file_lock(path: Path, warn_after: float = WARN_AFTER_SECONDS) -> Iterator[int]:
    """Hold the lock of a DuckDB file or a folder, after waiting for it. The lock of a process that dies is released.

    Yields the descriptor that holds it: a child process that inherits it keeps the lock until it has ended, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock_file(path).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with _warn_while_waiting(path, warn_after):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now."""
    try:
        with _lock_file(path).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _warn_while_waiting(path: Path, seconds: float) -> Iterator[None]:
    fields = {"path": str(path), "reason": "another load or dbt has it open"}
    warning = Timer(seconds, log.warning, ("waiting_for_the_warehouse",), fields)
    warning.daemon = True
    warning.start()
    try:
        yield
    finally:
        warning.cancel()
