"""Topics `decisions` and `orders.dlq`, written by aiokafka's idempotent producer."""

import asyncio
import zlib
from collections.abc import Awaitable, Sequence
from typing import Any

import orjson
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from fraud_detector.stream.message import DeadLetter
from fraud_detector.stream.ports import PublishRefusedError, UnavailableError
from order_contract.decision import OrderRow, decision_message
from order_platform.kafka.errors import describe, is_permanent
from order_platform.kafka.topics import MAX_DEAD_LETTER_BYTES
from order_platform.settings import KafkaSettings

log = structlog.get_logger()

BATCH_BYTES = 512 * 1024
REQUEST_TIMEOUT_MS = 30_000
STOP_TIMEOUT = 5.0


class KafkaAnnouncer:
    """The real Announcer; connects when first used, and anew after a failure. `close` ends it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def announce(self, orders: Sequence[OrderRow], dead_letters: Sequence[DeadLetter]) -> None:
        try:
            producer = await self._connected()
            acknowledged: list[Awaitable[Any]] = []
            if orders:
                acknowledged += await self._send_decisions(producer, orders)
            for letter in dead_letters:
                acknowledged.append(
                    await producer.send(
                        self._settings.dead_letter_topic,
                        key=str(letter.origin).encode(),
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
            raise UnavailableError(f"decisions could not be published: {error!r}") from error

    async def close(self) -> None:
        """Stop the producer, if there is one, without waiting long for a broker that is away."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await producer.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("producer_not_stopped", problem=repr(error))

    async def _connected(self) -> AIOKafkaProducer:
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
        """Hand over whole batches: a `send` an order costs six times as much."""
        topic = self._settings.decisions_topic
        count = len(await producer.partitions_for(topic))
        builders = [producer.create_batch() for _ in range(count)]
        acknowledged: list[Awaitable[Any]] = []
        for row in orders:
            key = row.order_id.encode()
            # CRC-32 is the partitioner of librdkafka; murmur2 in Python costs more than all the rest here.
            partition = zlib.crc32(key) % count
            value = decision_message(row)
            if builders[partition].append(key=key, value=value, timestamp=None) is None:
                acknowledged.append(await producer.send_batch(builders[partition], topic, partition=partition))
                builders[partition] = producer.create_batch()
                builders[partition].append(key=key, value=value, timestamp=None)
        for partition, builder in enumerate(builders):
            if builder.record_count():
                builder.close()
                acknowledged.append(await producer.send_batch(builder, topic, partition=partition))
        return acknowledged


def dead_letter_headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """The error in words, the origin, and the original key and headers (those prefixed `original.`)."""
    message = letter.message
    headers = [
        ("error_type", letter.error_type.encode()),
        ("error", letter.error.encode()),
        ("origin_topic", message.topic.encode()),
        ("origin_epoch", str(letter.epoch).encode()),
        ("origin_partition", str(message.partition).encode()),
        ("origin_offset", str(message.offset).encode()),
        ("origin_timestamp", str(message.timestamp).encode()),
    ]
    if letter.field is not None:
        headers.append(("error_field", letter.field.encode()))
    if letter.fields:
        # A JSON list: a field that the contract does not know may have any name.
        headers.append(("error_fields", orjson.dumps(letter.fields)))
    if letter.order_id is not None:
        headers.append(("order_id", letter.order_id.encode()))
    if letter.fingerprints is not None:
        stands, this = letter.fingerprints
        headers += [("fingerprint_stored", stands.encode()), ("fingerprint_rejected", this.encode())]
    if message.key is not None:
        headers.append(("origin_key", message.key))
    headers += [(f"original.{name}", value) for name, value in message.headers]
    return headers
