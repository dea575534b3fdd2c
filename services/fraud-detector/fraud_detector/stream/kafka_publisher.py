"""Topics `decisions` and `orders.dlq`, written by aiokafka's idempotent producer."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from fraud_detector.stream.ports import DependencyUnavailableError, PublishRefusedError
from order_contract.dead_letter_record import RejectedMessage, dead_letter_headers, dead_letter_key
from order_contract.decision import OrderRow
from order_contract.decision_record import decision_headers, decision_key, encode_decision
from order_contract.partitioning import decision_partition
from order_platform.kafka.errors import describe, is_permanent
from order_platform.kafka.producer import start_producer
from order_platform.kafka.topics import MAX_DEAD_LETTER_BYTES
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

# Before compression; a broker accepts a megabyte. Taking a batch costs it as much as taking hundreds of records.
BATCH_BYTES = 900 * 1024
REQUEST_TIMEOUT_MS = 30_000
STOP_TIMEOUT = 5.0


class KafkaPublisher:
    """The DecisionPublisher on Kafka; connects when first used, and again after a failure."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, orders: Sequence[OrderRow], dead_letters: Sequence[RejectedMessage]) -> Mapping[int, int]:
        try:
            producer = await self._connect()
            letters = [
                await producer.send(
                    self._settings.dead_letter_topic,
                    key=dead_letter_key(letter.origin),
                    value=letter.message.value,
                    headers=dead_letter_headers(letter),
                )
                for letter in dead_letters
            ]
            sending = await self._send_decisions(producer, orders) if orders else []
            # All end before one fails: what a producer still sends while it is closed could come out of sequence.
            acknowledged = await asyncio.gather(*sending, *letters, return_exceptions=True)
            for result in acknowledged:
                if isinstance(result, BaseException):
                    raise result
            return dict(result for result in acknowledged[: len(sending)] if isinstance(result, tuple))
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
            self._producer = await start_producer(
                self._settings,
                compression_type="snappy",
                max_batch_size=BATCH_BYTES,
                max_request_size=MAX_DEAD_LETTER_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
        return self._producer

    async def _send_decisions(
        self, producer: AIOKafkaProducer, orders: Sequence[OrderRow]
    ) -> list[Awaitable[tuple[int, int]]]:
        """Hand over whole batches, by partition: one `send` per order costs six times as much."""
        count = len(await producer.partitions_for(self._settings.decisions_topic))
        batches: list[list[BatchBuilder]] = [[] for _ in range(count)]
        for row in orders:
            key, value, headers = decision_key(row.order_id), encode_decision(row), decision_headers(row)
            builders = batches[decision_partition(row.source_partition, count)]
            if builders and builders[-1].append(key=key, value=value, timestamp=None, headers=headers) is not None:
                continue
            builders.append(producer.create_batch())
            builders[-1].append(key=key, value=value, timestamp=None, headers=headers)
        return [self._send(producer, partition, builders) for partition, builders in enumerate(batches) if builders]

    async def _send(
        self, producer: AIOKafkaProducer, partition: int, builders: Sequence[BatchBuilder]
    ) -> tuple[int, int]:
        """Send batches to a partition of `decisions`, one after the other; its number, and the offset of the first."""
        offsets = []
        for builder in builders:
            builder.close()
            future = await producer.send_batch(builder, self._settings.decisions_topic, partition=partition)
            offsets.append((await future).offset)
        return partition, offsets[0]
