"""Starting aiokafka's clients: within a limit, and so that a cancellation leaves no connection open."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from aiokafka.errors import KafkaTimeoutError

GRACE_SECONDS: Final = 2.0
START_SECONDS: Final = 10.0


async def finish_start(start: Coroutine[Any, Any, None], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Await a client's `start`; when that is cancelled, let it end within `grace_seconds` first.

    aiokafka does not close the first connection when it is cancelled while that waits for metadata, and nothing else
    can: the client has not kept it yet.
    """
    task = asyncio.create_task(start)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=grace_seconds)
        if not task.cancel() and not task.cancelled():
            task.exception()  # the caller is cancelled, whether it started or not
        raise


async def start_in_time(start: Coroutine[Any, Any, None]) -> None:
    """Await a client's `start` for START_SECONDS: aiokafka waits for 40 s for each response of a broker that hangs.

    Raises KafkaError.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            await finish_start(start)
    except TimeoutError:
        raise KafkaTimeoutError(f"no response for {START_SECONDS:g} s") from None
