"""Signals that come before a process drains by itself."""

import asyncio

import pytest

from order_platform.command_line import run
from order_platform.shutdown_signals import stop_on_signals


@pytest.mark.parametrize("received", [[], [15]])
async def test_a_signal_whose_interrupt_was_lost_stops_the_process(
    received: list[int],
) -> None:
    run.received_signals[:] = received
    try:
        stop = asyncio.Event()
        stop_on_signals(stop)
        assert stop.is_set() is bool(received)
    finally:
        run.received_signals.clear()
