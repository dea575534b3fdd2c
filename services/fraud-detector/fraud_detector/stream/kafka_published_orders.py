"""Topic `decisions` as history features follow it, read by aiokafka without a group."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from fraud_detector.stream.ports import ActionRequiredError, DependencyUnavailableError
from order_contract.decision_record import PublishedOrder, read_published_order
from order_contract.partitioning import decision_partition
from order_platform.kafka.consumer import Consumer, start_consumer_of_all
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

CALL_TIMEOUT = 10.0
MAX_POLLED = 2_000


class KafkaPublishedOrders:
    """The PublishedOrders of Kafka; connects when first used, and again after a failure.

    `epoch` is that of the orders: records of others are passed over. `observe` is called with the seconds from the
    publication of a record to its poll, for the oldest one of each partition.
    """

    def __init__(
        self, settings: KafkaSettings, *, epoch: int, observe: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        self._settings = settings
        self._epoch = epoch
        self._observe = observe
        self._consumer: Consumer | None = None
        self._connecting = asyncio.Lock()
        self._positions: dict[int, int] = {}

    async def reopen(self, positions: Mapping[int, int]) -> None:
        await self.close()
        self._positions.update(positions)
        await self._connect()

    def pause(self, partitions: Collection[int]) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        parts = consumer.assignment()
        own = {decision_partition(partition, len(parts)) for partition in partitions}
        if own != {part.partition for part in consumer.paused()}:
            consumer.resume(*parts)
            consumer.pause(*(part for part in parts if part.partition in own))

    async def poll(self, wait_seconds: float) -> Sequence[PublishedOrder]:
        consumer = await self._connect()
        try:
            polled = await consumer.getmany(timeout_ms=int(wait_seconds * 1000), max_records=MAX_POLLED)
        except OffsetOutOfRangeError as error:
            raise ActionRequiredError(
                f"records of topic {self._settings.decisions_topic} were deleted (retention) before they were read, so "
                "history features lack their orders; start the detector again: it reads them from Postgres"
            ) from error
        except KafkaError as error:
            raise self._unavailable(error) from error
        orders = []
        for part, records in polled.items():
            self._observe(max(0.0, time.time() - records[0].timestamp / 1000))
            orders += [read_published_order(record.value, record.headers) for record in records]
            self._positions[part.partition] = records[-1].offset + 1
        return [
            order
            for order in orders
            if order and order.origin.topic == self._settings.orders_topic and order.origin.epoch == self._epoch
        ]

    async def ends(self, partitions: Collection[int] | None = None) -> Mapping[int, int]:
        consumer = await self._connect()
        parts = sorted(consumer.assignment())
        if partitions is not None:
            parts = sorted({parts[decision_partition(partition, len(parts))] for partition in partitions})
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return {part.partition: end for part, end in (await consumer.end_offsets(parts)).items()}
        except (KafkaError, TimeoutError) as error:
            raise self._unavailable(error) from error

    @property
    def positions(self) -> Mapping[int, int]:
        return self._positions

    async def records_since(self, positions: Mapping[int, int]) -> int | None:
        consumer = await self._connect()
        parts = sorted(consumer.assignment())
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                beginnings = await consumer.beginning_offsets(parts)
                ends = await consumer.end_offsets(parts)
        except (KafkaError, TimeoutError) as error:
            raise self._unavailable(error) from error
        if positions.keys() - {part.partition for part in parts}:
            return None
        starts = {part: positions.get(part.partition, 0) for part in parts}
        if not all(beginnings[part] <= start <= ends[part] for part, start in starts.items()):
            return None
        records: int = sum(ends[part] - start for part, start in starts.items())
        return records

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        return all(self._positions.get(partition, 0) >= end for partition, end in ends.items())

    async def close(self) -> None:
        """Disconnect, if it is connected."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _connect(self) -> Consumer:
        # Following and taking over partitions ask for it at the same time.
        async with self._connecting:
            if self._consumer is None:
                self._consumer = await self._create_consumer()
            return self._consumer

    async def _create_consumer(self) -> Consumer:
        try:
            consumer = await start_consumer_of_all(self._settings, self._settings.decisions_topic)
        except KafkaError as error:
            raise self._unavailable(error) from error
        try:
            for part in consumer.assignment():
                consumer.seek(part, self._positions.get(part.partition, 0))
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    def _unavailable(self, error: KafkaError | TimeoutError) -> DependencyUnavailableError:
        return DependencyUnavailableError(f"topic {self._settings.decisions_topic} cannot be read: {error!r}")
