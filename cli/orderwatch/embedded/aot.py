"""Java's ahead-of-time cache for the broker: made by a short training run, it makes every start twice as quick."""

import asyncio
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from orderwatch.embedded.kafka import EmbeddedKafka
from orderwatch.embedded.kafka_runtime import KafkaRuntime
from orderwatch.embedded.ports import free_port


def make_aot_cache(runtime: KafkaRuntime) -> None:
    """Make the cache unless it is there. Raises OrderwatchError; the broker runs without it, too."""
    with runtime.locked():
        if runtime.aot_cache.exists():
            return
        with tempfile.TemporaryDirectory(dir=runtime.folder) as folder:
            partial = Path(folder) / "broker.aot"
            broker = EmbeddedKafka(Path(folder), free_port(), free_port(), runtime, aot_output=partial)
            broker.start()
            try:
                broker.wait_ready()
                asyncio.run(_exercise(KafkaSettings(kafka=broker.bootstrap_servers)))
            finally:
                broker.terminate()  # Java writes the cache when it ends
            if partial.exists():
                partial.rename(runtime.aot_cache)


async def _exercise(settings: KafkaSettings) -> None:
    """What a broker does first of all, so that its classes are in the cache."""
    await ensure_topics(settings)
    async with AIOKafkaProducer(**settings.client_options(), enable_idempotence=True) as producer:
        await producer.send_and_wait(settings.orders_topic, b"{}")
    async with AIOKafkaConsumer(
        settings.orders_topic,
        **settings.client_options(),
        group_id=settings.consumer_group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        await consumer.getone()
        await consumer.commit()
