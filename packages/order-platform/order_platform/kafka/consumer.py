"""aiokafka's consumer: one that can be stopped while the broker is down, and one of all partitions without a group."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from order_platform.cancellation import task_is_cancelled
from order_platform.kafka.startup import finish_start
from order_platform.settings import KafkaSettings

STOP_SECONDS: Final = 5.0
"""A broker that hangs keeps a consumer no longer from ending; aiokafka would wait for 40 s, more than once."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped
    """An AIOKafkaConsumer whose `stop` closes everything within a limit and raises nothing of its own requests."""

    @property
    def member_id(self) -> str:
        """The id that its group's coordinator gave it; empty before it has joined."""
        member_id: str = self._coordinator.member_id  # it has no other way
        return member_id

    async def stop(self) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await super().stop()
        except (asyncio.CancelledError, TimeoutError):
            # aiokafka cancels its fetches and awaits them: one that waits for the broker raises the cancellation here,
            # which would end the caller's task without a word, and the connections stay open.
            for fetch in self._fetcher._pending_tasks:  # noqa: SLF001  (it has no other way)
                fetch.cancel()
            await self._client.close()
            if task_is_cancelled():
                raise asyncio.CancelledError from None


async def start_consumer_of_all(settings: KafkaSettings, topic: str, **options: Any) -> Consumer:
    """A connected consumer in no group, to which all partitions that the topic has now are assigned.

    It reads nothing of a partition before `seek`. `options` are further ones. Raises KafkaError.
    """
    consumer = Consumer(
        topic, **settings.client_options(), enable_auto_commit=False, auto_offset_reset="none", **options
    )
    try:
        await finish_start(consumer.start())
        parts = list(consumer.assignment())
        # Assigned by hand, they keep their positions when the topic gets more partitions. The subscription was needed
        # all the same: without one, aiokafka does not know the partitions.
        consumer.unsubscribe()
        consumer.assign(parts)
    except BaseException:
        await consumer.stop()
        raise
    return consumer
