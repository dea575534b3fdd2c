"""Queue of one partition's messages."""

import asyncio
from collections import deque
from itertools import islice
from time import monotonic

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from marketplace_simulator.orders import OrderMessage


class PartitionQueue:
    """Unacknowledged messages of one partition, in order. They are removed from the front when they have an outcome.

    One batch is in flight at a time, and the next one consists of all messages that wait by then: small and immediate
    at low rates, large at high rates, and never out of order.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.batch_limit: int | None = None
        """Most messages of a batch while the one that the broker rejects is being isolated."""
        self._waiting: deque[OrderMessage] = deque()
        self._filled = asyncio.Event()
        self._since = 0.0

    def put(self, message: OrderMessage) -> None:
        """Queue a message."""
        if not self._waiting:
            self._since = monotonic()
            self._filled.set()
        self._waiting.append(message)

    async def wait_filled(self) -> None:
        """Wait until there is a message."""
        await self._filled.wait()

    def batch(self, producer: AIOKafkaProducer) -> BatchBuilder:
        """A batch of the messages at the front, as many as fit; they stay in the queue."""
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

    def seconds_stuck(self) -> float:
        """Seconds without progress while messages wait."""
        return monotonic() - self._since if self._waiting else 0.0
