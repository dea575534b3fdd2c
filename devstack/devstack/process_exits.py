"""Unexpected ends of supervised processes, recorded inside supervisord from its process state events.

Supervisord loads `make_recorder` as one of its RPC interfaces; `Supervisor.process_exits` asks it.
"""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from supervisor import events
from supervisor.options import decode_wait_status

NAMESPACE: Final = "process_exits"
KEPT: Final = 10_000
"""Exits that are kept; a process that never starts ends every minute or so."""


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """A process that ended without having been stopped."""

    process: str
    at: datetime
    reason: str


class ProcessExitRecorder:
    """RPC interface with the exits since supervisord started."""

    def __init__(self, supervisord: Any) -> None:
        self._exits: deque[tuple[str, float, str]] = deque(maxlen=KEPT)
        self._statuses: dict[int, int] = {}
        self._reap = supervisord.options.waitpid
        # An event does not carry the wait status, which names the signal.
        supervisord.options.waitpid = self._waitpid
        for kind in (events.ProcessStateExitedEvent, events.ProcessStateBackoffEvent):
            events.subscribe(kind, self._record)

    def read(self) -> list[list[object]]:
        """Process, time (seconds since the epoch) and reason of each exit, oldest first."""
        return [list(each) for each in self._exits]

    def _waitpid(self) -> tuple[int | None, int | None]:
        pid, status = self._reap()
        self._statuses = {} if pid is None else {pid: status}
        return pid, status

    def _record(self, event: Any) -> None:
        status = self._statuses.get(event.process.pid)
        if status is not None:  # else it could not be started at all
            self._exits.append((event.process.config.name, time.time(), decode_wait_status(status)[1]))


def make_recorder(supervisord: Any) -> ProcessExitRecorder:
    """Factory that the configuration of supervisord names."""
    return ProcessExitRecorder(supervisord)


def parse_exits(rows: Iterable[Any]) -> list[ProcessExit]:
    """Exits from the rows that `read` returns."""
    return [ProcessExit(process, datetime.fromtimestamp(at, UTC), reason) for process, at, reason in rows]
