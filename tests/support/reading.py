"""What is on a topic, read from outside: what the ledgers and contracts compare with."""

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from order_platform.kafka.topics import MAX_DEAD_LETTER_BYTES
from order_platform.settings import KafkaSettings


async def read_topic(settings: KafkaSettings, topic: str) -> list[ConsumerRecord]:
    """Everything on a topic now, in order within each partition."""
    records: list[ConsumerRecord] = []
    consumer = AIOKafkaConsumer(
        topic,
        **settings.client_options(),
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_DEAD_LETTER_BYTES,
    )
    async with consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for polled in (await consumer.getmany(timeout_ms=200)).values():
                records += polled
    return records
