"""The outbox: what is stored and waits to be announced."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is to be published of one stored batch, and the progress that it then stands for."""

    epoch: int
    orders: Sequence[OrderRow]
    dead_letters: Sequence[RejectedMessage]
    next_offsets: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.orders) + len(self.dead_letters)


class Outbox:
    """Announcements in order, taken all at once: a round trip to the broker takes as long for many as for one."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._waiting: list[Announcement] = []
        self._messages = 0
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    async def put(self, announcement: Announcement) -> None:
        """Add to it, once there is room: storing may be ahead of announcing by that much."""
        while self._messages >= self._max_messages:
            self._taken.clear()
            await self._taken.wait()
        self._waiting.append(announcement)
        self._messages += len(announcement)
        self._filled.set()

    async def take(self) -> list[Announcement]:
        """Wait for something and take all of it."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        waiting, self._waiting, self._messages = self._waiting, [], 0
        self._taken.set()
        return waiting
