"""Topics `decisions` and `orders.dlq`, written by aiokafka's idempotent producer."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from fraud_detector.stream.ports import DependencyUnavailableError, PublishRefusedError
from order_contract.dead_letter_record import RejectedMessage, dead_letter_headers, dead_letter_key
from order_contract.decision import OrderRow
from order_contract.decision_record import decision_headers, decision_key, encode_decision
from order_contract.partitioning import decision_partition
from order_platform.kafka.errors import describe, is_permanent
from order_platform.kafka.topics import MAX_DEAD_LETTER_BYTES
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

BATCH_BYTES = 512 * 1024
REQUEST_TIMEOUT_MS = 30_000
STOP_TIMEOUT = 5.0


class KafkaPublisher:
    """The DecisionPublisher on Kafka; connects when first used, and again after a failure."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, orders: Sequence[OrderRow], dead_letters: Sequence[RejectedMessage]) -> None:
        try:
            producer = await self._connect()
            acknowledged: list[Awaitable[Any]] = []
            if orders:
                acknowledged += await self._send_decisions(producer, orders)
            for letter in dead_letters:
                acknowledged.append(
                    await producer.send(
                        self._settings.dead_letter_topic,
                        key=dead_letter_key(letter.origin),
                        value=letter.message.value,
                        headers=dead_letter_headers(letter),
                    )
                )
            if acknowledged:
                await asyncio.gather(*acknowledged)
        except KafkaError as error:
            if is_permanent(error):
                raise PublishRefusedError(
                    f"the broker refuses what is published on {self._settings.decisions_topic} and "
                    f"{self._settings.dead_letter_topic}: {describe(error)}"
                ) from error
            # The failed producer's sequence numbers may have a hole: a new one starts clean.
            await self.close()
            raise DependencyUnavailableError(f"decisions could not be published: {error!r}") from error

    async def close(self) -> None:
        """Stop the producer, if there is one, without waiting long for a broker that is unavailable."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await producer.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("producer_not_stopped", problem=repr(error))

    async def _connect(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._settings.client_options(),
                enable_idempotence=True,
                acks="all",
                compression_type="snappy",
                max_batch_size=BATCH_BYTES,
                max_request_size=MAX_DEAD_LETTER_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _send_decisions(self, producer: AIOKafkaProducer, orders: Sequence[OrderRow]) -> list[Awaitable[Any]]:
        """Hand over whole batches: one `send` per order costs six times as much."""
        topic = self._settings.decisions_topic
        count = len(await producer.partitions_for(topic))
        builders = [producer.create_batch() for _ in range(count)]
        acknowledged: list[Awaitable[Any]] = []
        for row in orders:
            key = decision_key(row.order_id)
            partition = decision_partition(row.source_partition, count)
            value, headers = encode_decision(row), decision_headers(row)
            if builders[partition].append(key=key, value=value, timestamp=None, headers=headers) is None:
                acknowledged.append(await producer.send_batch(builders[partition], topic, partition=partition))
                builders[partition] = producer.create_batch()
                builders[partition].append(key=key, value=value, timestamp=None, headers=headers)
        for partition, builder in enumerate(builders):
            if builder.record_count():
                builder.close()
                acknowledged.append(await producer.send_batch(builder, topic, partition=partition))
        return acknowledged
