"""Waiting for a condition instead of a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, within: float = 90.0) -> None:
    """Wait until the condition holds; fails with `what` was awaited after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        started = time.monotonic()
        answer = condition()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, f"waited {within:.0f} s for {what}"
        await asyncio.sleep(_pause(time.monotonic() - started))


def eventually(condition: Callable[[], object], what: str, within: float = 120.0) -> None:
    """The same for tests without an event loop: wait until the condition is true."""
    deadline = time.monotonic() + within
    while True:
        started = time.monotonic()
        if condition():
            return
        assert time.monotonic() < deadline, f"waited {within:.0f} s for {what}"
        time.sleep(_pause(time.monotonic() - started))


def _pause(check: float) -> float:
    """Seconds between two checks, of which one took so long: costly ones leave the machine to what is waited for."""
    return min(max(0.05, 2 * check), 0.5)
