"""A partition's queue of messages on their way."""

import asyncio
from collections import deque
from itertools import islice
from time import monotonic

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from marketplace_simulator.orders import OrderMessage


class Lane:
    """Messages of one partition in order. They leave it when they are acknowledged or given up, from the front.

    One batch is on its way at a time, and the next one is whatever waits by then: small and at once when it is quiet,
    large when it is busy, and never out of order.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.batch_limit: int | None = None
        """How many messages a batch may have, while the one that the broker refuses is being searched."""
        self._waiting: deque[OrderMessage] = deque()
        self._filled = asyncio.Event()
        self._since = 0.0

    def put(self, message: OrderMessage) -> None:
        """Queue a message."""
        if not self._waiting:
            self._since = monotonic()
            self._filled.set()
        self._waiting.append(message)

    async def filled(self) -> None:
        """Wait until there is a message."""
        await self._filled.wait()

    def batch(self, producer: AIOKafkaProducer) -> BatchBuilder:
        """A batch of the messages at the front, as many as fit; they stay in the lane."""
        builder = producer.create_batch()
        for message in islice(self._waiting, self.batch_limit):
            if builder.append(key=message.key, value=message.value, timestamp=None) is None:
                break
        builder.close()
        return builder

    def take(self, count: int) -> list[OrderMessage]:
        """Remove so many messages from the front."""
        self._since = monotonic()
        taken = [self._waiting.popleft() for _ in range(count)]
        if not self._waiting:
            self._filled.clear()
        return taken

    def take_all(self) -> list[OrderMessage]:
        """Remove all messages."""
        return self.take(len(self._waiting))

    def stuck_for(self) -> float:
        """Seconds without progress while messages wait."""
        return monotonic() - self._since if self._waiting else 0.0
