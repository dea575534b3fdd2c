"""Signals that come before a process drains by itself, and while it starts."""

import asyncio

import pytest

from order_platform.command_line import run
from order_platform.shutdown_signals import start_unless_stopped, stop_on_signals


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


async def test_a_start_that_hangs_is_cancelled_after_a_stop() -> None:
    stop, was_cancelled = asyncio.Event(), False

    async def hang() -> str:
        nonlocal was_cancelled
        stop.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled = True
            raise
        return "started"

    assert await start_unless_stopped(hang(), stop, grace_seconds=0.01) is None
    assert was_cancelled


async def test_a_start_that_ends_soon_after_a_stop_has_its_result() -> None:
    stop = asyncio.Event()

    async def start() -> str:
        stop.set()
        await asyncio.sleep(0)
        return "started"

    assert await start_unless_stopped(start(), stop) == "started"


async def test_a_start_raises_its_own_errors() -> None:
    async def start() -> None:
        raise TimeoutError("no response")

    with pytest.raises(TimeoutError, match="no response"):
        await start_unless_stopped(start(), asyncio.Event())
