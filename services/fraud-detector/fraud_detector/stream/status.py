"""How the detector is: what is away, and when it last got on. Read by the health server from another thread."""

from collections.abc import Callable
from enum import StrEnum

import structlog

log = structlog.get_logger()


class Dependency(StrEnum):
    """What the detector depends on."""

    BROKER = "broker"
    DATABASE = "database"


class Status:
    """Keeps what `/healthz` and `/readyz` answer; `clock` gives seconds, monotonic."""

    # The loop turns at least every second, also while a dependency is away.
    STUCK_AFTER = 60.0

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._away: dict[Dependency, str] = {}
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

    def away(self, dependency: Dependency, problem: str) -> None:
        """A call to the dependency failed and will be tried again."""
        if dependency not in self._away:
            log.warning("dependency_away", dependency=dependency.value, problem=problem)
        self._away[dependency] = problem

    def back(self, dependency: Dependency) -> None:
        """A call to the dependency went through."""
        if self._away.pop(dependency, None) is not None:
            log.warning("dependency_back", dependency=dependency.value)

    def unhealthy(self) -> str | None:
        """Why the process should be restarted, or None."""
        silence = self._clock() - self._last_turn
        return f"the loop has not turned for {silence:.0f} s" if silence > self.STUCK_AFTER else None

    def unready(self) -> str | None:
        """Why it does not decide orders now, or None."""
        if self._stopping:
            return "stopping"
        if self._away:
            return "; ".join(f"{dependency.value}: {problem}" for dependency, problem in self._away.copy().items())
        return None if self._joined else "waiting for the consumer group to assign partitions"
