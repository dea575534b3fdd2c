"""Connecting aiokafka's producer."""

from typing import Any

from aiokafka import AIOKafkaProducer

from order_platform.kafka.startup import finish_start
from order_platform.settings import KafkaSettings


async def start_producer(settings: KafkaSettings, **options: Any) -> AIOKafkaProducer:
    """An idempotent producer that is connected; `options` are further ones. Raises KafkaError."""
    producer = AIOKafkaProducer(**settings.client_options(), enable_idempotence=True, acks="all", **options)
    try:
        await finish_start(producer.start())
    except BaseException:
        # A producer that failed to start has to be stopped, too, or it complains when it is collected.
        await producer.stop()
        raise
    return producer
