"""Buffers between the pipeline's tasks: batches that wait for the next stage, and offsets that wait to be committed."""

import asyncio
from collections.abc import Mapping, Sequence

from fraud_detector.stream.batch import Batch


class BatchBuffer:
    """Batches in order, taken all at once by the next stage.

    While that stage is quick, little is taken at a time and latency is low; while it is busy, more is taken. One that
    is full still takes what is added: the stage before waits for `room`.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self.max_messages = max_messages
        self._max_bytes = max_bytes
        self._batches: list[Batch] = []
        self._messages = 0
        self._bytes = 0
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._batches)

    @property
    def batches(self) -> Sequence[Batch]:
        """What is waiting, in order."""
        return self._batches

    @property
    def full(self) -> bool:
        """Whether nothing should be added before the batches are taken."""
        return self._messages >= self.max_messages or self._bytes >= self._max_bytes

    def add(self, batch: Batch) -> None:
        """Append a batch."""
        self._batches.append(batch)
        self._messages += len(batch)
        self._bytes += batch.value_bytes
        self._filled.set()

    async def take(self) -> list[Batch]:
        """Wait for a batch and take all that are there."""
        while not self._batches:
            self._filled.clear()
            await self._filled.wait()
        batches = self._batches
        self.discard()
        return batches

    async def room(self) -> None:
        """Wait until it is not full."""
        while self.full:
            self._taken.clear()
            await self._taken.wait()

    def discard(self) -> None:
        """Drop what is waiting."""
        self._batches, self._messages, self._bytes = [], 0, 0
        self._taken.set()


class OffsetTracker:
    """Next offsets by partition up to which everything is stored and published, and those that are committed."""

    def __init__(self) -> None:
        self._finished: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._dirty = asyncio.Event()

    def advance(self, next_offsets: Mapping[int, int]) -> None:
        """Everything before these offsets is stored and published."""
        self._finished.update(next_offsets)
        self._dirty.set()

    def uncommitted(self) -> dict[int, int]:
        """The offsets to commit now; empty when all are committed."""
        self._dirty.clear()
        return {
            partition: offset
            for partition, offset in self._finished.items()
            if self._committed.get(partition) != offset
        }

    def mark_committed(self, offsets: Mapping[int, int]) -> None:
        """These were committed."""
        self._committed.update(offsets)

    def mark_dirty(self) -> None:
        """A commit failed: its offsets are to be committed again."""
        self._dirty.set()

    def reset(self) -> None:
        """Forget everything: the partitions are no longer assigned."""
        self._finished.clear()
        self._committed.clear()

    async def wait(self) -> None:
        """Wait until there are offsets to commit."""
        await self._dirty.wait()
