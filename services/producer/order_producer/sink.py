"""Where messages go: a topic (publisher.py), or a file."""

import sys
from pathlib import Path
from time import monotonic
from typing import Protocol, Self

from marketplace_simulator.orders import OrderMessage
from order_producer.counts import Counts


class Sink(Protocol):
    """Takes messages in order and counts what became of them."""

    counts: Counts

    async def put(self, message: OrderMessage) -> None:
        """Take a message; waits while too many are on their way. Cancelled in that wait, the message is not taken."""

    async def settled(self) -> None:
        """Wait until nothing is on its way any more."""

    def give_up(self, reason: str) -> None:
        """Let what is still on its way count as failed."""


class FileSink:
    """The Sink that writes a line a message, to a file or to stdout for `-`. Use as a context manager."""

    # Who reads along at a few orders a second sees each at once; who writes millions does not pay for it.
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
            await self.settled()

    async def settled(self) -> None:
        self._file.flush()
        self._flushed = monotonic()

    def give_up(self, reason: str) -> None:
        """There is nothing: what was put is written."""
