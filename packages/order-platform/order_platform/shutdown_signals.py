"""Signals that end a process which drains: none that came is lost."""

import asyncio
import signal

from order_platform.command_line.run import received_signals


def stop_on_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and SIGINT set an event of the running loop; also one that came before.

    Until then they raise an interrupt, which is lost where Python cannot raise it: in a destructor, or in a callback of
    the garbage collector.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if received_signals:
        stop.set()
