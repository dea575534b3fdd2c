"""How the detector is: what is away, and when it last got on. Read by the health server from another thread."""

from collections.abc import Callable
from enum import StrEnum

import structlog

log = structlog.get_logger()


class Check(StrEnum):
    """What the detector needs to go well, each reported by one owner: what one finds is not undone by another."""

    JOINING = "broker-joining"
    READING = "broker-reading"
    IDENTITY = "broker-identity"
    OFFSETS = "broker-offsets"
    PUBLISHING = "broker-publishing"
    COMMITTING = "broker-committing"
    BROKER = "broker"
    """Asked from time to time, also while nothing is read."""
    STORING = "database-storing"
    DATABASE = "database"
    """Asked from time to time, also while nothing is stored."""

    @property
    def dependency(self) -> str:
        """What is unavailable when the check fails."""
        return self.value.partition("-")[0]


class Status:
    """Keeps what `/healthz` and `/readyz` answer; `clock` gives seconds, monotonic."""

    # The loop turns at least every second, also while a dependency is away.
    STUCK_AFTER = 60.0

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._away: dict[Check, str] = {}
        self._joined = False
        self._stopping = False
        self._last_turn = clock()

    def turned(self) -> None:
        """The loop has made a turn."""
        self._last_turn = self._clock()

    def joined(self) -> None:
        """The group has given this member its share, were it none."""
        self._joined = True

    def stopping(self) -> None:
        """No new work is taken."""
        self._stopping = True

    def away(self, check: Check, problem: str) -> None:
        """The check failed and will be made again."""
        if check not in self._away:
            log.warning("dependency_away", dependency=check.dependency, check=check.value, problem=problem)
        self._away[check] = problem

    def back(self, check: Check) -> None:
        """The check went well."""
        if self._away.pop(check, None) is not None:
            log.warning("dependency_back", dependency=check.dependency, check=check.value)

    def unhealthy(self) -> str | None:
        """Why the process should be restarted, or None."""
        silence = self._clock() - self._last_turn
        return f"the loop has not turned for {silence:.0f} s" if silence > self.STUCK_AFTER else None

    def unready(self) -> str | None:
        """Why it does not decide orders now, or None."""
        if self._stopping:
            return "stopping"
        if self._away:
            problems = (f"{check.dependency}: {problem}" for check, problem in self._away.copy().items())
            return "; ".join(dict.fromkeys(problems))
        return None if self._joined else "waiting for the consumer group to assign partitions"
