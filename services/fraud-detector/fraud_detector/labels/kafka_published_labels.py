"""Topic `labels` as history features follow it, read by aiokafka without a group."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from fraud_detector.stream.kafka_followed_topic import KafkaFollowedTopic
from fraud_detector.stream.ports import ActionRequiredError, DependencyUnavailableError
from order_platform.kafka.topic_reader import TopicReader
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

CALL_TIMEOUT: Final = 10.0


class KafkaPublishedLabels:
    """The PublishedLabels of Kafka, from `next_offsets` on; connects when first used, and again after a failure.

    A partition without an offset is read from its beginning. With `accept_lost_offsets`, so is one whose offset is not
    on the topic any more when following begins.
    """

    def __init__(
        self, settings: KafkaSettings, next_offsets: Mapping[int, int], *, accept_lost_offsets: bool = False
    ) -> None:
        self._name = settings.labels_topic
        self._accepts_loss = accept_lost_offsets
        self._topic = KafkaFollowedTopic(
            settings, self._name, next_offsets, start_offset=self._start_offset,
            lost=lambda part, position: _lost(part, f"from offset {position} on"),
        )  # fmt: skip

    async def poll(self, wait_seconds: float) -> Mapping[int, Sequence[ConsumerRecord]]:
        consumer = self._topic.consumer
        if consumer is not None and len(consumer.assignment()) < len(consumer.partitions_for_topic(self._name) or ()):
            await self._topic.close()  # the topic got more partitions
        consumer = await self._topic.connect()
        # Labels that are deleted from now on may be stored, and these histories would lack them.
        self._accepts_loss = False
        if not consumer.assignment():
            await self._topic.close()
            raise DependencyUnavailableError(f"topic {self._name} does not exist: run `orderwatch migrate`")
        try:
            return await self._topic.poll(wait_seconds)
        except DependencyUnavailableError:
            await self._topic.close()
            raise

    async def close(self) -> None:
        """Disconnect, if it is connected."""
        await self._topic.close()

    def _start_offset(self, part: TopicPartition, position: int | None, first: int) -> int:
        """Where to read a partition on. Raises ActionRequiredError when labels were deleted before they were read."""
        if position is None:
            return first
        if position < first:
            if not self._accepts_loss:
                raise _lost(part, f"from offset {position} to {first - 1}")
            log.error("lost_labels_accepted", partition=part.partition, first=position, next=first)
        return max(position, first)


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
