"""Topic `labels` as history features follow it, read by aiokafka without a group."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from fraud_detector.stream.ports import ActionRequiredError, DependencyUnavailableError
from order_platform.kafka.consumer import Consumer, start_consumer_of_all
from order_platform.kafka.topic_reader import TopicReader
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

MAX_POLLED: Final = 2_000
CALL_TIMEOUT: Final = 10.0


class KafkaPublishedLabels:
    """The PublishedLabels of Kafka, from `next_offsets` on; connects when first used, and again after a failure.

    A partition without an offset is read from its beginning. With `accept_lost_offsets`, so is one whose offset is not
    on the topic any more when following begins.
    """

    def __init__(
        self, settings: KafkaSettings, next_offsets: Mapping[int, int], *, accept_lost_offsets: bool = False
    ) -> None:
        self._settings = settings
        self._positions = dict(next_offsets)
        self._accepts_loss = accept_lost_offsets
        self._consumer: Consumer | None = None

    async def poll(self, wait_seconds: float) -> Mapping[int, Sequence[ConsumerRecord]]:
        topic = self._settings.labels_topic
        try:
            consumer = await self._connect()
            polled = await consumer.getmany(timeout_ms=int(wait_seconds * 1000), max_records=MAX_POLLED)
        except OffsetOutOfRangeError as error:
            part, position = next(iter(error.args[0].items()))
            raise _lost(part, f"from offset {position} on") from error
        except KafkaError as error:
            await self.close()
            raise DependencyUnavailableError(f"topic {topic} cannot be read: {error!r}") from error
        for part, records in polled.items():
            self._positions[part.partition] = records[-1].offset + 1
        return {part.partition: records for part, records in polled.items()}

    async def close(self) -> None:
        """Disconnect, if it is connected."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _connect(self) -> Consumer:
        topic, consumer = self._settings.labels_topic, self._consumer
        if consumer is not None and len(consumer.assignment()) < len(consumer.partitions_for_topic(topic) or ()):
            await self.close()  # the topic got more partitions
        if self._consumer is None:
            self._consumer = await self._create_consumer()
        if not self._consumer.assignment():
            await self.close()
            raise DependencyUnavailableError(f"topic {topic} does not exist: run `orderwatch migrate`")
        return self._consumer

    async def _create_consumer(self) -> Consumer:
        consumer = await start_consumer_of_all(
            self._settings, self._settings.labels_topic, isolation_level="read_committed"
        )
        try:
            for part, beginning in (await consumer.beginning_offsets(sorted(consumer.assignment()))).items():
                consumer.seek(part, self._start_offset(part, beginning))
        except BaseException:
            await consumer.stop()
            raise
        # Labels that are deleted from now on may be stored, and these histories would lack them.
        self._accepts_loss = False
        return consumer

    def _start_offset(self, part: TopicPartition, beginning: int) -> int:
        """Where to read a partition on. Raises ActionRequiredError when labels were deleted before they were read."""
        position = self._positions.setdefault(part.partition, beginning)
        if position < beginning:
            if not self._accepts_loss:
                raise _lost(part, f"from offset {position} to {beginning - 1}")
            log.error("lost_labels_accepted", partition=part.partition, first=position, next=beginning)
            self._positions[part.partition] = position = beginning
        return position


async def labels_are_kept(settings: KafkaSettings, next_offsets: Mapping[int, int]) -> bool:
    """Whether the topic has all labels from these offsets on, by partition; from 0 on of a partition without one.

    Raises DependencyUnavailableError.
    """
    try:
        async with (
            asyncio.timeout(CALL_TIMEOUT),
            TopicReader(settings) as reader,
        ):
            beginnings, _ = await reader.bounds(await reader.partitions(settings.labels_topic))
    except (KafkaError, TimeoutError) as error:
        raise DependencyUnavailableError(f"topic {settings.labels_topic} cannot be read: {error!r}") from error
    return all(next_offsets.get(part.partition, 0) >= beginning for part, beginning in beginnings.items())


def _lost(part: TopicPartition, offsets: str) -> ActionRequiredError:
    return ActionRequiredError(
        f"{part.topic}/{part.partition}: labels {offsets} were deleted (retention) before they were read, so label "
        "features lack them; start the detector again: it reads the labels that are stored from Postgres. Those that "
        "were not stored are lost: ORDERWATCH_ACCEPT_LOST_OFFSETS=true continues without them"
    )
