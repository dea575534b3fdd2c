"""A topic whose partitions one process reads in full, by aiokafka without a group."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from fraud_detector.stream.ports import ActionRequiredError, DependencyUnavailableError
from order_platform.kafka.consumer import Consumer, start_consumer_of_all
from order_platform.settings import KafkaSettings

MAX_POLLED: Final = 250
"""Records of a poll: a few milliseconds of work, as a slice of the pipeline."""


class KafkaFollowedTopic:
    """All partitions of `topic`, read on from `positions`, the next offsets by partition; connects when first used.

    Whenever it connects, `start_offset(partition, position, first)` says where a partition is read on, by its position,
    None when it was never read, and the first offset that it has. `lost(partition, position)` is the error for records
    that were deleted before they were polled.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        positions: Mapping[int, int],
        *,
        start_offset: Callable[[TopicPartition, int | None, int], int],
        lost: Callable[[TopicPartition, int], ActionRequiredError],
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._start_offset = start_offset
        self._lost = lost
        self._consumer: Consumer | None = None
        self._connecting = asyncio.Lock()
        self.positions = dict(positions)

    @property
    def consumer(self) -> Consumer | None:
        """The connected consumer."""
        return self._consumer

    async def connect(self) -> Consumer:
        """The consumer, connected if it was not. Raises DependencyUnavailableError, and what `start_offset` raises."""
        async with self._connecting:  # several tasks may ask for it at the same time
            return await self._connected()

    async def reopen(self, positions: Mapping[int, int]) -> None:
        """Connect again, to read these partitions on from these positions.

        Raises DependencyUnavailableError, and what `start_offset` raises.
        """
        async with self._connecting:  # one that connects in between would read on from the former positions
            await self.close()
            self.positions.update(positions)
            await self._connected()

    async def poll(self, wait_seconds: float) -> Mapping[int, Sequence[ConsumerRecord]]:
        """The next records by partition; waits up to `wait_seconds` for the first.

        Raises DependencyUnavailableError, ActionRequiredError.
        """
        consumer = await self.connect()
        # The event loop is given back between polls: records that were fetched already are returned without a pause,
        # so a caller that catches up with many would keep it for as long as there are such records.
        await asyncio.sleep(0)
        try:
            polled = await consumer.getmany(timeout_ms=int(wait_seconds * 1000), max_records=MAX_POLLED)
        except OffsetOutOfRangeError as error:
            raise self._lost(*next(iter(error.args[0].items()))) from error
        except KafkaError as error:
            raise self.unavailable(error) from error
        for part, records in polled.items():
            self.positions[part.partition] = records[-1].offset + 1
        return {part.partition: records for part, records in polled.items()}

    async def close(self) -> None:
        """Disconnect, if it is connected."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    def unavailable(self, error: KafkaError | TimeoutError) -> DependencyUnavailableError:
        """The error of a request that failed."""
        return DependencyUnavailableError(f"topic {self._topic} cannot be read: {error!r}")

    async def _connected(self) -> Consumer:
        if self._consumer is None:
            try:
                self._consumer = await self._start()
            except KafkaError as error:
                raise self.unavailable(error) from error
        return self._consumer

    async def _start(self) -> Consumer:
        consumer = await start_consumer_of_all(self._settings, self._topic, isolation_level="read_committed")
        try:
            for part, first in (await consumer.beginning_offsets(sorted(consumer.assignment()))).items():
                position = self._start_offset(part, self.positions.get(part.partition), first)
                self.positions[part.partition] = position
                consumer.seek(part, position)
        except BaseException:
            await consumer.stop()
            raise
        return consumer
