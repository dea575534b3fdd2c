"""Cancellation of tasks whose client may swallow it."""

import asyncio


def task_is_cancelled() -> bool:
    """Whether the running task was cancelled: aiokafka may swallow that, and a loop around its calls has to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
