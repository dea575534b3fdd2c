"""Creating the topics on a real broker."""

from aiokafka import AIOKafkaProducer

from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.broker_topics import delete_topic


async def test_missing_topics_get_as_many_partitions_as_orders_has(kafka_settings: KafkaSettings) -> None:
    orders, labels = f"{kafka_settings.orders_topic}-six", f"{kafka_settings.labels_topic}-six"
    before = kafka_settings.model_copy(update={"orders_topic": orders})
    after = before.model_copy(update={"labels_topic": labels})
    assert await ensure_topics(before, 6) == (orders,)

    assert await ensure_topics(after) == (labels,)

    async with AIOKafkaProducer(**after.client_options()) as producer:
        assert len(await producer.partitions_for(labels)) == 6
    for topic in (orders, labels):
        await delete_topic(after, topic)
