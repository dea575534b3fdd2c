"""The lag of a consumer group on its topic, and the group's members."""

from dataclasses import dataclass
from uuid import UUID

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from order_platform.kafka.committed_offsets import valid_offset
from order_platform.kafka.topic_identity import TopicIdentity
from order_platform.kafka.topic_reader import TopicReader
from order_platform.settings import KafkaSettings, Subscription


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Offsets of one partition: `beginning` is the oldest kept, `committed` None when the group never committed.

    What was committed for an earlier topic of the name, deleted since, does not count.
    """

    partition: int
    beginning: int
    committed: int | None
    end: int

    @property
    def lag(self) -> int:
        """Messages on the topic that the group has not finished."""
        return self.end - max(self.beginning if self.committed is None else self.committed, self.beginning)


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A consumer of the group: the name and address it gives, and the topic's partitions that are its own."""

    client: str
    host: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConsumerGroup:
    """A consumer group as its coordinator sees it: `state` is Stable, Empty, Dead, or a phase of rebalancing."""

    name: str
    state: str
    members: tuple[GroupMember, ...]


class LagReader(TopicReader):
    """Reads the lag of a group on a topic, with clients kept open. Use as an async context manager."""

    def __init__(self, settings: KafkaSettings, subscription: Subscription | None = None) -> None:
        """Of topic orders, unless another `subscription` is given."""
        super().__init__(settings)
        self._topic, self._group = subscription or settings.orders
        self._identity = TopicIdentity(settings, self._topic)

    async def __aexit__(self, *exc_info: object) -> None:
        await self._identity.stop()
        await super().__aexit__()

    async def read_topic_id(self) -> UUID | None:
        """The topic's id; None from a broker that gives none. Raises KafkaError."""
        await self._identity.start()
        return await self._identity.read()

    async def read(self) -> list[PartitionLag]:
        """One entry per partition, in order; empty when the topic does not exist. Raises KafkaError."""
        partitions = await self.partitions(self._topic)
        if not partitions:
            return []
        beginning, end = await self.bounds(partitions)
        topic_id = await self.read_topic_id()
        committed = await self._admin.list_consumer_group_offsets(self._group, partitions=partitions)
        readings = []
        for partition in partitions:
            offset = valid_offset(committed.get(partition), "" if topic_id is None else f"{topic_id}/")
            readings.append(PartitionLag(partition.partition, beginning[partition], offset, end[partition]))
        return readings

    async def group(self) -> ConsumerGroup:
        """The group and its members. Raises KafkaError when the broker is unavailable."""
        (response,) = await self._admin.describe_consumer_groups([self._group])
        _, name, state, _, _, members, *_ = response.groups[0]
        return ConsumerGroup(
            name,
            state,
            tuple(GroupMember(client, host, self._assigned(given)) for _, client, host, _, given, *_ in members),
        )

    def _assigned(self, assignment: bytes) -> tuple[int, ...]:
        if not assignment:  # while the group is rebalancing
            return ()
        decoded = ConsumerProtocolMemberAssignment.decode(assignment)
        return tuple(sorted(part.partition for part in decoded.partitions() if part.topic == self._topic))
