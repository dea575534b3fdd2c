"""Removal of members from a consumer group, for processes that ended without leaving it."""

from collections.abc import Collection

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import NoError, UnknownMemberIdError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from order_platform.kafka.startup import finish_start
from order_platform.settings import KafkaSettings


async def remove_members(settings: KafkaSettings, group: str, member_ids: Collection[str]) -> None:
    """Remove members from a group, as if each had left it; one that is not in the group is passed over.

    Raises KafkaError.
    """
    client = AIOKafkaClient(**settings.client_options())
    try:
        await finish_start(client.bootstrap())
        coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
        for member_id in member_ids:
            request = LeaveGroupRequest(group, member_id)
            response = await client.send(coordinator, request, group=ConnectionGroup.COORDINATION)
            error = for_code(response.error_code)
            if error not in {NoError, UnknownMemberIdError}:
                raise error(f"member {member_id} could not be removed from group {group}")
    finally:
        await client.close()
