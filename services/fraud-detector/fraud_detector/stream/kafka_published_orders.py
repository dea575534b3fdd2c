"""Topic `decisions` as history features follow it, read by aiokafka without a group."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from fraud_detector.stream.kafka_followed_topic import KafkaFollowedTopic
from fraud_detector.stream.ports import ActionRequiredError
from order_contract.decision_record import PublishedOrder, read_published_order
from order_contract.partitioning import decision_partition
from order_platform.settings import KafkaSettings

CALL_TIMEOUT: Final = 10.0


class KafkaPublishedOrders:
    """The PublishedOrders of Kafka; connects when first used, and again after a failure.

    `epoch` is that of the orders: records of others are passed over. `observe` is called with the seconds from the
    publication of a record to its poll, for the oldest one of each partition.
    """

    def __init__(
        self, settings: KafkaSettings, *, epoch: int, observe: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        self._orders_topic = settings.orders_topic
        self._epoch = epoch
        self._observe = observe
        self._topic = KafkaFollowedTopic(
            settings,
            settings.decisions_topic,
            {},
            start_offset=lambda _part, position, _first: position or 0,
            lost=_lost,
        )

    async def reopen(self, positions: Mapping[int, int]) -> None:
        await self._topic.reopen(positions)

    def pause(self, partitions: Collection[int]) -> None:
        consumer = self._topic.consumer
        if consumer is None:
            return
        parts = consumer.assignment()
        own = {decision_partition(partition, len(parts)) for partition in partitions}
        if own != {part.partition for part in consumer.paused()}:
            consumer.resume(*parts)
            consumer.pause(*(part for part in parts if part.partition in own))

    async def poll(self, wait_seconds: float) -> Sequence[PublishedOrder]:
        orders = []
        for records in (await self._topic.poll(wait_seconds)).values():
            self._observe(max(0.0, time.time() - records[0].timestamp / 1000))
            orders += [read_published_order(record.value, record.headers) for record in records]
        return [
            order
            for order in orders
            if order and order.origin.topic == self._orders_topic and order.origin.epoch == self._epoch
        ]

    async def ends(self, partitions: Collection[int] | None = None) -> Mapping[int, int]:
        consumer = await self._topic.connect()
        parts = sorted(consumer.assignment())
        if partitions is not None:
            parts = sorted({parts[decision_partition(partition, len(parts))] for partition in partitions})
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return {part.partition: end for part, end in (await consumer.end_offsets(parts)).items()}
        except (KafkaError, TimeoutError) as error:
            raise self._topic.unavailable(error) from error

    @property
    def positions(self) -> Mapping[int, int]:
        return self._topic.positions

    async def records_since(self, positions: Mapping[int, int]) -> int | None:
        consumer = await self._topic.connect()
        parts = sorted(consumer.assignment())
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                beginnings = await consumer.beginning_offsets(parts)
                ends = await consumer.end_offsets(parts)
        except (KafkaError, TimeoutError) as error:
            raise self._topic.unavailable(error) from error
        if positions.keys() - {part.partition for part in parts}:
            return None
        starts = {part: positions.get(part.partition, 0) for part in parts}
        if not all(beginnings[part] <= start <= ends[part] for part, start in starts.items()):
            return None
        records: int = sum(ends[part] - start for part, start in starts.items())
        return records

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        return all(self._topic.positions.get(partition, 0) >= end for partition, end in ends.items())

    async def close(self) -> None:
        """Disconnect, if it is connected."""
        await self._topic.close()


def _lost(part: TopicPartition, _position: int) -> ActionRequiredError:
    return ActionRequiredError(
        f"records of topic {part.topic} were deleted (retention) before they were read, so history features lack their "
        "orders; start the detector again: it reads them from Postgres"
    )
