"""Rate limiter: releases messages at a rate, or as far apart as their events were."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol

from marketplace_simulator.orders import OrderMessage


class Clock(Protocol):
    """Monotonic time, and waiting."""

    def now(self) -> float:
        """Seconds since some start."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class WallClock:
    """The real Clock."""

    def now(self) -> float:
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


# At thousands per second a few are released together: waking up for each more than doubles the processor time.
SHORTEST_WAIT = 0.005
# After a longer delay, such as the machine's sleep, the pacer is shifted instead of caught up with.
MOST_BEHIND = 10.0
# A longer step in created_date is taken for a wrong date, or the start of another file.
LONGEST_GAP = timedelta(days=1)


class Pacer:
    """Waits for points in time since its start, so that delays are caught up with and errors do not add up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.now()

    async def wait_until(self, seconds: float) -> None:
        """Wait until so many seconds have passed since the start."""
        early = self._start + seconds - self._clock.now()
        if early > 0:
            await self._clock.sleep(max(early, SHORTEST_WAIT))
        elif early < -MOST_BEHIND:
            self._start -= early


async def limit_rate(messages: AsyncIterator[OrderMessage], rate: float, clock: Clock) -> AsyncIterator[OrderMessage]:
    """Yields `rate` messages per second; each is requested from the source when it is due."""
    pacer, count = Pacer(clock), 0
    while True:
        await pacer.wait_until(count / rate)
        try:
            message = await anext(messages)
        except StopAsyncIteration:
            return
        yield message
        count += 1


async def pace_by_created_date(
    messages: AsyncIterator[OrderMessage], speedup: float, clock: Clock
) -> AsyncIterator[OrderMessage]:
    """Yields messages as far apart as their events were, `speedup` times faster.

    Events that are out of order, or whose date cannot be read, are yielded at once.
    """
    pacer = Pacer(clock)
    elapsed = timedelta()
    latest: datetime | None = None
    async for message in messages:
        created = message.created
        if created is not None:
            step = timedelta() if latest is None else created - latest
            if timedelta() < step <= LONGEST_GAP:
                elapsed += step
            if latest is None or step > timedelta() or -step > LONGEST_GAP:
                latest = created
            await pacer.wait_until(elapsed.total_seconds() / speedup)
        yield message
