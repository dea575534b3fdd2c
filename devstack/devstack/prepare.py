"""Installation step `python -m devstack.prepare`: downloads the broker and makes its ahead-of-time cache."""

import asyncio
import sys
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from devstack.kafka import EmbeddedKafka, KafkaRuntime, find_runtime, provide_runtime
from devstack.ports import free_port
from devstack.settings import EmbeddedSettings
from order_platform.command_line.checklist import Checklist
from order_platform.command_line.errors import CommandError
from order_platform.command_line.output import ERR, OUT
from order_platform.command_line.settings_errors import read_settings
from order_platform.kafka.topics import ensure_topics
from order_platform.kafka_client_log import silence_kafka_client
from order_platform.settings import KafkaSettings


def make_aot_cache(runtime: KafkaRuntime) -> None:
    """Make the cache unless it is there. Raises CommandError; the broker runs without it, too."""
    with runtime.hold_lock():
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


def main() -> None:
    """Do what is not done yet."""
    # A broker that was never asked before is not ready for everything at once; the clients try again.
    silence_kafka_client()
    with Checklist(OUT) as steps:
        cache = read_settings(EmbeddedSettings).writable_cache()
        runtime = find_runtime(cache)
        if runtime is None:
            with steps.step("Kafka's jars") as note:
                runtime = provide_runtime(cache, lambda done, total: note(f"{done} of {total}"))
        if not runtime.aot_cache.exists():
            with steps.step("Kafka's quick start"):
                make_aot_cache(runtime)


if __name__ == "__main__":
    try:
        main()
    except CommandError as error:
        ERR.print(f"{error}\n{error.advice}", markup=False)
        sys.exit(1)
