"""Sinks of messages, and the counts of their outcomes."""

import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol, Self

from marketplace_simulator.orders import OrderMessage


@dataclass(slots=True)
class Counts:
    """`sent` were handed over; each of them ends as acknowledged or as failed."""

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0

    @property
    def waiting(self) -> int:
        """Handed over, without an outcome yet."""
        return self.sent - self.acknowledged - self.failed


class Sink(Protocol):
    """Takes messages in order and counts their outcomes."""

    counts: Counts

    async def put(self, message: OrderMessage) -> None:
        """Take a message; waits while too many are unacknowledged. If cancelled while waiting, it is not taken."""

    async def flush(self) -> None:
        """Wait until every message has an outcome."""

    def give_up(self, reason: str) -> None:
        """Count unacknowledged messages as failed."""


class FileSink:
    """The Sink that writes one line per message, to a file or to stdout for `-`. Use as a context manager."""

    # At a few orders per second each is visible at once; writing millions is not slowed down.
    flush_seconds = 0.05

    def __init__(self, path: Path) -> None:
        self.counts = Counts()
        self._file = sys.stdout.buffer if str(path) == "-" else path.open("wb")
        self._flushed = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._file is not sys.stdout.buffer:
            self._file.close()

    async def put(self, message: OrderMessage) -> None:
        self._file.write(message.value + b"\n")
        self.counts.sent += 1
        self.counts.acknowledged += 1
        if monotonic() - self._flushed > self.flush_seconds:
            await self.flush()

    async def flush(self) -> None:
        self._file.flush()
        self._flushed = monotonic()

    def give_up(self, reason: str) -> None:
        """Nothing to do: every message is written."""
