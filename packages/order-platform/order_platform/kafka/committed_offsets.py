"""Committed offsets with the topic's id and epoch in their metadata.

A broker may keep a group's offsets while the topic is deleted and created again; then they mean nothing any more.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from order_platform.kafka.startup import finish_start
from order_platform.settings import KafkaSettings


def commit_metadata(topic_id: UUID | None, epoch: int) -> str:
    """The metadata of a commit; empty where the broker gives topics no id."""
    return "" if topic_id is None else f"{topic_id}/{epoch}"


def valid_offset(committed: OffsetAndMetadata | None, expected: str) -> int | None:
    """The committed offset, None when there is none or it is for another topic of the name.

    `expected` is the metadata, or its beginning. A commit without metadata is an earlier release's or an operator's,
    who moved the group: it counts.
    """
    if committed is None or committed.offset < 0:
        return None
    if committed.metadata and expected and not committed.metadata.startswith(expected):
        return None
    offset: int = committed.offset
    return offset


async def read_committed(
    settings: KafkaSettings, group: str, partitions: Sequence[TopicPartition], expected: str
) -> Mapping[TopicPartition, int | None]:
    """The group's committed offset in each partition, as `valid_offset` has it. Raises KafkaError."""
    admin = AIOKafkaAdminClient(**settings.client_options())
    try:
        await finish_start(admin.start())
        committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
    finally:
        await admin.close()
    return {partition: valid_offset(committed.get(partition), expected) for partition in partitions}
