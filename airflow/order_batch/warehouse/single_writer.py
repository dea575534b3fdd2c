"""One at a time: DuckDB lets one process write, and dbt keeps one run apart from another by its folder alone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Final

import structlog

log = structlog.get_logger()

WORTH_A_WORD: Final = 2.0
"""Seconds of waiting that get a line in the log: loads of a few thousand orders take turns faster than that."""


@contextmanager
def single_writer(path: Path) -> Iterator[int]:
    """Hold the right to a DuckDB file, or to a folder; waits for it. A process that dies gives it back.

    Yields the descriptor that holds it: a child process that inherits it keeps the right until it has ended, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with _noticed(path):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


@contextmanager
def _noticed(path: Path) -> Iterator[None]:
    told = {"path": str(path), "reason": "another load or dbt has it open"}
    notice = Timer(WORTH_A_WORD, log.warning, ("waiting_for_the_warehouse",), told)
    notice.daemon = True
    notice.start()
    try:
        yield
    finally:
        notice.cancel()
