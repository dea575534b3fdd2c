"""Looking at topics from outside: without a consumer group, so that nothing is taken from anybody."""

from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from order_platform.settings import KafkaSettings

Offsets = dict[TopicPartition, int]


class TopicClient:
    """A consumer in no group beside an admin client, open together. Use as an async context manager.

    `options` are further ones of the consumer. Methods raise KafkaError when the broker is away.
    """

    def __init__(self, settings: KafkaSettings, **options: Any) -> None:
        self._consumer = AIOKafkaConsumer(**settings.client_options(), enable_auto_commit=False, **options)
        self._admin = AIOKafkaAdminClient(**settings.client_options())

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
            await self._admin.start()
        except BaseException:
            # Also what failed to start has to be stopped, or it complains about it when it is collected.
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._admin.close()
        await self._consumer.stop()

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """The partitions of a topic, in order; none when there is no such topic."""
        described = (await self._admin.describe_topics([topic]))[0]
        return sorted(TopicPartition(topic, part["partition"]) for part in described["partitions"])

    async def bounds(self, partitions: list[TopicPartition]) -> tuple[Offsets, Offsets]:
        """The oldest offset that each partition keeps, and the one that its next message gets."""
        if not partitions:
            return {}, {}
        return await self._consumer.beginning_offsets(partitions), await self._consumer.end_offsets(partitions)
