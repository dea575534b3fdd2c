"""Logging an outage of a dependency once when it begins, and its recovery once when it ends."""

import structlog

log = structlog.get_logger()


class OutageLog:
    """Logs `NAME_unavailable` at the first of several failures, and `NAME_recovered` at the next success."""

    def __init__(self, name: str) -> None:
        self._unavailable = f"{name}_unavailable"
        self._recovered = f"{name}_recovered"
        self._is_out = False

    def failed(self, problem: object, **details: object) -> None:
        """A call to the dependency failed."""
        if not self._is_out:
            self._is_out = True
            text = str(problem) or type(problem).__name__
            log.warning(self._unavailable, problem=text, **details)

    def succeeded(self, **details: object) -> None:
        """A call to the dependency succeeded."""
        if self._is_out:
            self._is_out = False
            log.info(self._recovered, **details)
