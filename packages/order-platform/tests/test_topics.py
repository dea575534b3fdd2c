"""Creating the topics on a real broker."""

from aiokafka import AIOKafkaProducer

from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.broker_topics import add_partitions, delete_topic


async def test_missing_topics_get_as_many_partitions_as_orders_has(kafka_settings: KafkaSettings) -> None:
    await add_partitions(kafka_settings, kafka_settings.orders_topic, 6)
    await delete_topic(kafka_settings, kafka_settings.labels_topic)

    assert await ensure_topics(kafka_settings) == (kafka_settings.labels_topic,)

    async with AIOKafkaProducer(**kafka_settings.client_options()) as producer:
        assert len(await producer.partitions_for(kafka_settings.labels_topic)) == 6
