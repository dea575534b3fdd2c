"""A cancelled start of a client ends by itself, so that its connections are known and can be closed."""

import asyncio

import pytest

from order_platform.kafka.startup import finish_start


class _Client:
    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.connected = False
        self.interrupted = False

    async def start(self) -> None:
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.interrupted = True
            raise
        self.connected = True


async def _cancel(starting: asyncio.Task[None]) -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.sleep(0)


async def test_a_cancelled_start_ends_first() -> None:
    client = _Client()
    starting = asyncio.create_task(finish_start(client.start()))
    await _cancel(starting)
    assert not starting.done()
    client.answered.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert client.connected
    assert not client.interrupted


async def test_a_start_that_hangs_is_interrupted() -> None:
    client = _Client()
    starting = asyncio.create_task(finish_start(client.start(), grace_seconds=0.01))
    await _cancel(starting)
    with pytest.raises(asyncio.CancelledError):
        await starting
    await asyncio.sleep(0)
    assert client.interrupted


async def test_a_failed_start_raises_its_own_error() -> None:
    async def fail() -> None:
        raise OSError("refused")

    with pytest.raises(OSError, match="refused"):
        await finish_start(fail())
