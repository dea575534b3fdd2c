"""Reading a topic ends with an error when the broker gives nothing any more, though there is more."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from order_platform.kafka.topic_reader import WHOLE_TOPICS, TopicReader
from order_platform.settings import KafkaSettings

pytestmark = pytest.mark.integration


async def test_a_read_that_stalls_ends(kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = kafka_settings.orders_topic
    async with AIOKafkaProducer(**kafka_settings.client_options()) as producer:
        await producer.send_and_wait(topic, b"{}", partition=0)
    async with TopicReader(kafka_settings, stall_seconds=0.6, **WHOLE_TOPICS) as reader:
        assert [message.value async for message in reader.read_all(topic)] == [b"{}"]

        async def nothing(*_: object, **__: object) -> dict[object, object]:
            return {}

        monkeypatch.setattr(reader._consumer, "getmany", nothing)
        with pytest.raises(KafkaTimeoutError, match="nothing came for 1 s from 1 partitions"):
            await reader.read_last(topic, 1)
