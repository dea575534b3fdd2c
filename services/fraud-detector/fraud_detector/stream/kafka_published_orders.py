"""Topic `decisions` as history features follow it, read by aiokafka without a group."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from fraud_detector.stream.ports import ActionRequiredError, DependencyUnavailableError
from order_contract.decision_record import PublishedOrder, read_published_order
from order_contract.partitioning import decision_partition
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

CALL_TIMEOUT = 10.0
MAX_POLLED = 2_000


class KafkaPublishedOrders:
    """The PublishedOrders of Kafka; connects when first used, and again after a failure.

    `topic` and `epoch` are those of the orders: records of others are passed over.
    """

    def __init__(self, settings: KafkaSettings, *, epoch: int) -> None:
        self._settings = settings
        self._epoch = epoch
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[int, int] = {}
        self._wanted: set[int] | None = None

    async def seek(self, since: datetime) -> None:
        consumer = await self._connect()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                parts = list(consumer.assignment())
                moment = max(0, int(since.timestamp() * 1000))
                found = await consumer.offsets_for_times(dict.fromkeys(parts, moment))
                ends = await consumer.end_offsets(parts)
        except (KafkaError, TimeoutError) as error:
            raise self._unavailable(error) from error
        for part in parts:
            at = found[part]
            self._positions[part.partition] = ends[part] if at is None else at.offset
            consumer.seek(part, self._positions[part.partition])

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
            orders += [read_published_order(record.value, record.headers) for record in records]
            self._positions[part.partition] = records[-1].offset + 1
        return [
            order
            for order in orders
            if order and order.origin.topic == self._settings.orders_topic and order.origin.epoch == self._epoch
        ]

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        consumer = await self._connect()
        parts = sorted(consumer.assignment())
        wanted = {parts[decision_partition(partition, len(parts))] for partition in partitions}
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return {part.partition: end for part, end in (await consumer.end_offsets(wanted)).items()}
        except (KafkaError, TimeoutError) as error:
            raise self._unavailable(error) from error

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        return all(self._positions.get(partition, -1) >= end for partition, end in ends.items())

    async def close(self) -> None:
        """Disconnect, if it is connected."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _connect(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **self._settings.client_options(), enable_auto_commit=False, auto_offset_reset="none"
            )
            try:
                await consumer.start()
                topic = self._settings.decisions_topic
                partitions = consumer.partitions_for_topic(topic) or await self._load_partitions(consumer, topic)
                consumer.assign([TopicPartition(topic, partition) for partition in partitions])
                for partition, position in self._positions.items():
                    consumer.seek(TopicPartition(topic, partition), position)
            except KafkaError as error:
                await consumer.stop()
                raise DependencyUnavailableError(f"topic decisions cannot be read: {error!r}") from error
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer

    async def _load_partitions(self, consumer: AIOKafkaConsumer, topic: str) -> set[int]:
        await consumer.topics()
        partitions: set[int] = consumer.partitions_for_topic(topic) or set()
        if not partitions:
            raise DependencyUnavailableError(f"topic {topic} does not exist, or may not be read")
        return partitions

    def _unavailable(self, error: KafkaError | TimeoutError) -> DependencyUnavailableError:
        return DependencyUnavailableError(f"topic {self._settings.decisions_topic} cannot be read: {error!r}")
