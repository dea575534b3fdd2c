"""What ended unexpectedly, read from the supervisor's log."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_STARTED = "supervisord started with pid"
_EXITED = re.compile(r"(?P<at>\S+ \S+?),\d+ \w+ exited: (?P<name>\S+) \((?P<reason>.*); (?:not )?expected\)")


@dataclass(frozen=True, slots=True)
class Incident:
    """A process ended without being told to."""

    process: str
    at: datetime
    reason: str


def read_incidents(log: Path) -> list[Incident]:
    """Everything that ended unexpectedly since the supervisor started, oldest first. `log` may have been rotated."""
    lines: list[str] = []
    for path in (log.with_name(f"{log.name}.1"), log):
        if path.exists():
            lines += path.read_text(errors="replace").splitlines()
    return parse_incidents(lines)


def parse_incidents(lines: Iterable[str]) -> list[Incident]:
    """The incidents in lines of the supervisor's log since its last start."""
    incidents: list[Incident] = []
    for line in lines:
        if _STARTED in line:
            incidents.clear()
        elif match := _EXITED.match(line):
            # The supervisor writes local time, and is started with UTC for that.
            at = datetime.strptime(match["at"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            incidents.append(Incident(match["name"], at, match["reason"]))
    return incidents
