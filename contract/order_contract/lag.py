"""How far a consumer group is behind its topic."""

from dataclasses import dataclass
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from order_contract.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Offsets of one partition: `beginning` is the oldest kept, `committed` None when the group never committed."""

    partition: int
    beginning: int
    committed: int | None
    end: int

    @property
    def lag(self) -> int:
        """Messages on the topic that the group has not finished."""
        return self.end - max(self.beginning if self.committed is None else self.committed, self.beginning)


class LagReader:
    """Reads the lag of a group on a topic; two clients held open between readings. Use as an async context manager."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._topic = settings.orders_topic
        self._group = settings.consumer_group
        self._consumer = AIOKafkaConsumer(**settings.client_options(), enable_auto_commit=False)
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

    async def read(self) -> list[PartitionLag]:
        """One entry a partition, in order; empty when there is no topic. Raises KafkaError when the broker is away."""
        described = (await self._admin.describe_topics([self._topic]))[0]
        partitions = [TopicPartition(self._topic, part["partition"]) for part in described["partitions"]]
        if not partitions:
            return []
        beginning = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        committed = await self._admin.list_consumer_group_offsets(self._group, partitions=partitions)
        readings = []
        for partition in sorted(partitions, key=lambda part: part.partition):
            stored = committed.get(partition)
            offset = None if stored is None or stored.offset < 0 else stored.offset
            readings.append(PartitionLag(partition.partition, beginning[partition], offset, end[partition]))
        return readings
