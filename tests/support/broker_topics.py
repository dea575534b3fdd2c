"""What an operator or retention does to topics, by an admin client that is opened for each change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from order_platform.settings import KafkaSettings


async def delete_topic(settings: KafkaSettings, topic: str) -> None:
    """Delete a topic with its messages."""
    async with _admin(settings) as admin:
        await admin.delete_topics([topic])


async def add_partitions(settings: KafkaSettings, topic: str, total: int) -> None:
    """Give a topic `total` partitions."""
    async with _admin(settings) as admin:
        await admin.create_partitions({topic: NewPartitions(total)})


async def delete_records(settings: KafkaSettings, topic: str, partition: int, before: int) -> None:
    """Delete the messages before an offset, as retention does."""
    async with _admin(settings) as admin:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=before)})


async def configure(settings: KafkaSettings, topic: str, **values: str) -> None:
    """Change a topic's configuration; what is not named gets its default back."""
    configs = {name.replace("_", "."): value for name, value in values.items()}
    async with _admin(settings) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.client_options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
