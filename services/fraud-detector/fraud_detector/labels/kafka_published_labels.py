"""Topic `labels` as history features follow it, read by aiokafka without a group."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from fraud_detector.stream.ports import ActionRequiredError, DependencyUnavailableError
from order_platform.settings import KafkaSettings

MAX_POLLED: Final = 2_000


class KafkaPublishedLabels:
    """The PublishedLabels of Kafka, from `next_offsets` on; connects when first used, and again after a failure."""

    def __init__(self, settings: KafkaSettings, next_offsets: Mapping[int, int]) -> None:
        self._settings = settings
        self._positions = dict(next_offsets)
        self._consumer: AIOKafkaConsumer | None = None

    async def poll(self, wait_seconds: float) -> Mapping[int, Sequence[ConsumerRecord]]:
        topic = self._settings.labels_topic
        try:
            consumer = await self._connect()
            polled = await consumer.getmany(timeout_ms=int(wait_seconds * 1000), max_records=MAX_POLLED)
        except OffsetOutOfRangeError as error:
            raise ActionRequiredError(
                f"labels of topic {topic} were deleted (retention) before they were read, so label features lack them; "
                "start the detector again: it reads the labels that are stored from Postgres"
            ) from error
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

    async def _connect(self) -> AIOKafkaConsumer:
        topic, consumer = self._settings.labels_topic, self._consumer
        if consumer is not None and len(consumer.assignment()) < len(consumer.partitions_for_topic(topic) or ()):
            await self.close()  # the topic got more partitions
        if self._consumer is None:
            self._consumer = await self._create_consumer()
        if not self._consumer.assignment():
            await self.close()
            raise DependencyUnavailableError(f"topic {topic} does not exist: run `orderwatch migrate`")
        return self._consumer

    async def _create_consumer(self) -> AIOKafkaConsumer:
        topic = self._settings.labels_topic
        consumer = AIOKafkaConsumer(
            topic,
            **self._settings.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            parts = sorted(consumer.assignment())
            # Assigned by hand, they keep their positions when the topic gets more partitions.
            consumer.unsubscribe()
            consumer.assign(parts)
            for part, beginning in (await consumer.beginning_offsets(parts)).items():
                consumer.seek(part, max(beginning, self._positions.get(part.partition, 0)))
        except BaseException:
            await consumer.stop()
            raise
        return consumer
