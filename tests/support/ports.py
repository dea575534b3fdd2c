"""Ports for the servers of tests, each given to one process at a time."""

import fcntl
import os
import tempfile
from functools import cache
from pathlib import Path

from devstack import ports

_given: set[int] = set()


def free_port() -> int:
    """A port that no process listens on, given to no other test until this process ends.

    A server that is killed and started again finds its port free then, though other test runs pick ports in between.
    """
    while (port := ports.free_port()) in _given or not _claim(port):
        pass
    _given.add(port)
    return port


def _claim(port: int) -> bool:
    """Lock the port's byte of a file that all test runs of this user share; the system unlocks it with the process."""
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _claims() -> int:
    path = Path(tempfile.gettempdir()) / f"orderwatch-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
