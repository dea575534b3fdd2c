"""Batches: what was judged and waits to be stored, as large as what is waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from fraud_detector.stream.message import Gap
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.message import Message


@dataclass(slots=True)
class Batch:
    """Consecutive messages of some partitions, judged; in offset order within each partition.

    `orders` pairs each row with its message. `next_offsets` is what may be committed for a partition once
    everything here is stored and announced.
    """

    orders: list[tuple[OrderRow, Message]] = field(default_factory=list)
    dead_letters: list[RejectedMessage] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    value_bytes: int = 0

    def __len__(self) -> int:
        return len(self.orders) + len(self.dead_letters)

    def __bool__(self) -> bool:
        return bool(self.orders or self.dead_letters or self.gaps)

    def extend(self, later: "Batch") -> None:
        """Append what was judged after this."""
        self.orders += later.orders
        self.dead_letters += later.dead_letters
        self.gaps += later.gaps
        self.next_offsets.update(later.next_offsets)
        self.value_bytes += later.value_bytes


class Backlog:
    """The one batch that is being filled while another is stored.

    It is taken whole: while the store is quick batches are small and latency is low; while it is busy they grow.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._batch = Batch()
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._batch)

    @property
    def full(self) -> bool:
        """Whether nothing should be added before the batch is taken."""
        return len(self._batch) >= self._max_messages or self._batch.value_bytes >= self._max_bytes

    def add(self, batch: Batch) -> None:
        """Add what was judged; never refused, a reader looks at `full` before it reads on."""
        self._batch.extend(batch)
        self._filled.set()

    async def take(self) -> Batch:
        """Wait for something and take all of it."""
        while not self._batch:
            self._filled.clear()
            await self._filled.wait()
        return self._swap()

    async def room(self) -> None:
        """Wait until it is not full."""
        while self.full:
            self._taken.clear()
            await self._taken.wait()

    def discard(self) -> None:
        """Drop what is waiting: whoever has the partitions next reads it again."""
        self._swap()

    def _swap(self) -> Batch:
        batch, self._batch = self._batch, Batch()
        self._taken.set()
        return batch


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch's orders in the store.

    `orders` are the rows that stand for this batch's own origins, as stored: to be announced. Conflicts come as
    dead letters.
    """

    orders: Sequence[OrderRow]
    duplicates: int = 0
    conflicts: Sequence[RejectedMessage] = ()
