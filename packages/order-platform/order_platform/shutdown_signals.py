"""Signals that end a process which drains: none that came is lost, and none waits for a start that hangs."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from order_platform.command_line.run import received_signals

T = TypeVar("T")

START_GRACE_SECONDS: Final = 2.0


def stop_on_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and SIGINT set an event of the running loop; also one that came before.

    Until then they raise an interrupt, which is lost where Python cannot raise it: in a destructor, or in a callback of
    the garbage collector.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if received_signals:
        stop.set()


async def start_unless_stopped(
    start: Coroutine[Any, Any, T], stop: asyncio.Event, *, grace_seconds: float = START_GRACE_SECONDS
) -> T | None:
    """The result of `start`; None when it was cancelled, as it did not end within `grace_seconds` after `stop` was set.

    What it connects to may hang, and clients wait for that longer than a process that has to stop can wait.
    """

    async def limit() -> None:
        await stop.wait()
        limited.reschedule(asyncio.get_running_loop().time() + grace_seconds)

    try:
        async with asyncio.timeout(None) as limited:
            limiting = asyncio.create_task(limit())
            try:
                return await start
            finally:
                limiting.cancel()
    except TimeoutError:
        if not limited.expired():
            raise
        return None
