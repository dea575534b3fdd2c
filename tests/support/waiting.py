"""Waiting for a condition instead of a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, within: float = 90.0) -> None:
    """Wait until the condition holds; fails with `what` was awaited after `within` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        answer = condition()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert asyncio.get_running_loop().time() < deadline, f"waited {within:.0f} s for {what}"
        await asyncio.sleep(0.05)


def eventually(condition: Callable[[], object], what: str, within: float = 120.0) -> None:
    """The same for tests without an event loop: wait until the condition is true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"waited {within:.0f} s for {what}"
        time.sleep(0.05)
