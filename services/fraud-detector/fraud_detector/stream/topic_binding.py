"""Binding a consumer group to the topic that it reads, before anything is read."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.ports import OrderConsumer


class TopicBindings(Protocol):
    """Where the topic's id is recorded that a group reads: the stores of orders and of labels."""

    async def bind(self, topic_id: UUID | None) -> int:
        """The epoch of the topic. Raises DependencyUnavailableError, RecreatedTopicError."""


async def bind_topic(
    consumer: OrderConsumer,
    store: TopicBindings,
    *,
    identifying: Check,
    storing: Check,
    health: HealthState,
    is_cancelled: Callable[[], bool],
) -> int | None:
    """Let the consumer commit for the epoch of its topic, and return it; None when it was cancelled before.

    `identifying` is the check of reading the topic's id, `storing` that of recording it.
    """

    async def identify() -> tuple[UUID | None]:
        return (await consumer.identify(),)

    identified = await retry_while_unavailable(identify, check=identifying, health=health, is_cancelled=is_cancelled)
    if identified is None:
        return None
    epoch = await retry_while_unavailable(
        lambda: store.bind(*identified), check=storing, health=health, is_cancelled=is_cancelled
    )
    if epoch is not None:
        consumer.bind(epoch)
    return epoch
