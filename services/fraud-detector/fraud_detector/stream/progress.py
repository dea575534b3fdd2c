"""Progress: which offsets may be committed, and which have been."""

import asyncio
from collections.abc import Mapping


class Progress:
    """Next offsets by partition, each standing for a prefix that is stored and announced; never runs ahead of it."""

    def __init__(self) -> None:
        self._done: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._advanced = asyncio.Event()

    def advance(self, next_offsets: Mapping[int, int]) -> None:
        """Everything before these offsets is stored and announced."""
        self._done.update(next_offsets)
        self._advanced.set()

    def uncommitted(self) -> dict[int, int]:
        """What a commit should say now; empty when there is nothing new."""
        self._advanced.clear()
        return {
            partition: offset for partition, offset in self._done.items() if self._committed.get(partition) != offset
        }

    def committed(self, offsets: Mapping[int, int]) -> None:
        """These were committed."""
        self._committed.update(offsets)

    def not_committed(self) -> None:
        """A commit failed: what it said is still news."""
        self._advanced.set()

    def reset(self) -> None:
        """Forget everything: the partitions are not ours any more."""
        self._done.clear()
        self._committed.clear()

    async def news(self) -> None:
        """Wait until there is something that `uncommitted` has not told yet."""
        await self._advanced.wait()
