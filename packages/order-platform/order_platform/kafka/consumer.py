"""aiokafka's consumer, which can be stopped while the broker is down, too."""

import asyncio

from aiokafka import AIOKafkaConsumer


def task_is_cancelled() -> bool:
    """Whether the running task was cancelled: aiokafka may swallow that, and a loop around its calls has to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped
    """An AIOKafkaConsumer whose `stop` closes everything and raises nothing of its own requests."""

    async def stop(self) -> None:
        try:
            await super().stop()
        except asyncio.CancelledError:
            # aiokafka cancels its fetches and awaits them: one that waits for the broker raises the cancellation here,
            # which would end the caller's task without a word, and the connections stay open.
            for fetch in self._fetcher._pending_tasks:  # noqa: SLF001  (it has no other way)
                fetch.cancel()
            await self._client.close()
            if task_is_cancelled():
                raise
