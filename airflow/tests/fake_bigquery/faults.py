"""Faults: what goes wrong with the next calls."""

from collections import defaultdict
from dataclasses import dataclass

from tests.fake_bigquery.api_error import ApiError

UPLOAD = "jobs.upload"
"""The piece of a resumable upload, which is no call of the API by itself."""


@dataclass(frozen=True)
class Answer:
    """Answered with an error, and nothing done."""

    error: ApiError


@dataclass(frozen=True)
class LostAnswer:
    """Done, and the connection cut before the answer."""


@dataclass(frozen=True)
class CutOff:
    """The connection cut when half of the request was read; nothing done."""


Fault = Answer | LostAnswer | CutOff


class Faults:
    """Faults by call, each for one request, in order."""

    def __init__(self) -> None:
        self._planned: dict[str, list[Fault]] = defaultdict(list)

    def plan(self, call: str, *faults: Fault) -> None:
        self._planned[call] += faults

    def take(self, call: str) -> Fault | None:
        return self._planned[call].pop(0) if self._planned[call] else None

    def clear(self) -> None:
        self._planned.clear()

    @property
    def left(self) -> list[str]:
        """Calls whose faults did not come to pass."""
        return [call for call, faults in self._planned.items() if faults]


def refused(status: int, reason: str, message: str = "made to fail") -> Answer:
    return Answer(ApiError(status, reason, message))
