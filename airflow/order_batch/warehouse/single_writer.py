"""One at a time: DuckDB lets one process write, so whoever needs the file waits for the one before."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()


@contextmanager
def single_writer(database: Path) -> Iterator[int]:
    """Hold the right to open a DuckDB file; waits for it. A process that dies gives it back.

    Yields the descriptor that holds it: a child process that inherits it keeps the right until it has ended, too.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting_for_the_warehouse", path=str(database), reason="another load or dbt has it open")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
