"""One at a time: DuckDB lets one process write, and dbt keeps one run apart from another by its folder alone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()


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
            log.warning("waiting_for_the_warehouse", path=str(path), reason="another load or dbt has it open")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
