"""Pacing: letting messages go when they are due."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol

from marketplace_simulator.orders import OrderMessage


class Clock(Protocol):
    """Seconds that go on evenly, and waiting for them to pass."""

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


# At thousands a second a few go together: waking up for each costs more than twice the processor time.
SHORTEST_WAIT = 0.005
# Who falls further behind, as a machine does that sleeps, goes on from there instead of hurrying after it.
MOST_BEHIND = 10.0
# A step in created_date by more than this is no pause in trade but a wrong date, or another file.
LONGEST_GAP = timedelta(days=1)


class Schedule:
    """Waits for points in time since its start, so that late turns are made up for and no error adds up."""

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


async def at_rate(messages: AsyncIterator[OrderMessage], rate: float, clock: Clock) -> AsyncIterator[OrderMessage]:
    """`rate` messages a second; each is asked for when it is due, not before."""
    schedule, count = Schedule(clock), 0
    while True:
        await schedule.wait_until(count / rate)
        try:
            message = await anext(messages)
        except StopAsyncIteration:
            return
        yield message
        count += 1


async def by_created_date(
    messages: AsyncIterator[OrderMessage], speedup: float, clock: Clock
) -> AsyncIterator[OrderMessage]:
    """Messages as far apart as their events were, `speedup` times faster.

    An event older than one before it goes at once, and so does one whose date cannot be read.
    """
    schedule = Schedule(clock)
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
            await schedule.wait_until(elapsed.total_seconds() / speedup)
        yield message
