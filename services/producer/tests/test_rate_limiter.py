"""The rate limiter, with a clock that only advances during sleeps."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from marketplace_simulator.orders import OrderMessage
from order_producer.publish.rate_limiter import (
    LONGEST_GAP,
    MOST_BEHIND,
    SHORTEST_WAIT,
    limit_rate,
    pace_by_created_date,
)

START = datetime(2026, 11, 22, tzinfo=UTC)


class FakeClock:
    """A Clock whose time is made by sleeping; `oversleep` seconds too long, as real ones do."""

    def __init__(self, oversleep: float = 0.0) -> None:
        self.time = 1_000.0
        self.oversleep = oversleep
        self.sleeps = 0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps += 1
        self.time += seconds + self.oversleep


def message(created: datetime | None = None) -> OrderMessage:
    return OrderMessage(None, b"", "x", created=created)


async def source(messages: Iterable[OrderMessage]) -> AsyncIterator[OrderMessage]:
    for each in messages:
        yield each


async def departures(messages: AsyncIterator[OrderMessage], clock: FakeClock) -> list[float]:
    """When each message went, in seconds since the start."""
    start = clock.now()
    return [round(clock.now() - start, 6) async for _ in messages]


async def test_a_rate_is_kept_message_by_message() -> None:
    clock = FakeClock()

    assert await departures(limit_rate(source([message()] * 5), 4, clock), clock) == [0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("rate", [7, 500, 2_000, 50_000])
@pytest.mark.parametrize("oversleep", [0.0, 0.0007, 0.02])
async def test_late_wakeups_do_not_accumulate(rate: int, oversleep: float) -> None:
    clock = FakeClock(oversleep)
    count = 3 * rate

    times = await departures(limit_rate(source([message()] * count), rate, clock), clock)

    for number, time in enumerate(times):
        assert -1e-6 <= time - number / rate <= SHORTEST_WAIT + oversleep + 1e-6
    assert clock.sleeps <= 3 / SHORTEST_WAIT + 2


async def test_a_message_is_not_asked_for_before_it_is_due() -> None:
    clock = FakeClock()
    asked = []

    async def lazily() -> AsyncIterator[OrderMessage]:
        for _ in range(3):
            asked.append(clock.now() - 1_000)
            yield message()

    await departures(limit_rate(lazily(), 2, clock), clock)

    assert asked == [0, 0.5, 1.0]


async def test_a_short_delay_is_made_up_for_and_a_long_one_is_not() -> None:
    for delay, expected in ((3.0, [0, 3.0, 3.0, 3.0, 4.0]), (MOST_BEHIND + 5, [0, 15.0, 15.0, 16.0, 17.0])):
        clock = FakeClock()

        async def stalling(clock: FakeClock = clock, delay: float = delay) -> AsyncIterator[OrderMessage]:
            for number in range(5):
                if number == 1:
                    clock.time = 1_000 + delay
                yield message()

        assert await departures(limit_rate(stalling(), 1, clock), clock) == expected


def minutes(*values: float | None) -> list[OrderMessage]:
    return [message(None if value is None else START + timedelta(minutes=value)) for value in values]


@pytest.mark.parametrize(
    ("given", "speedup", "expected"),
    [
        ((0, 1, 3), 1, [0, 60, 180]),
        ((0, 1, 3), 60, [0, 1, 3]),
        ((0, 1, None, 3), 60, [0, 1, 1, 3]),
        ((None, 0, 1), 60, [0, 0, 1]),
        ((5, 3, 4, 6), 60, [0, 0, 0, 1]),
        ((0, 1, 1, 2), 0.5, [0, 120, 120, 240]),
    ],
)
async def test_messages_are_as_far_apart_as_their_events(
    given: tuple[float | None, ...], speedup: float, expected: list[float]
) -> None:
    clock = FakeClock()

    assert await departures(pace_by_created_date(source(minutes(*given)), speedup, clock), clock) == expected


@pytest.mark.parametrize("far", [LONGEST_GAP.total_seconds() / 60 + 5, 40_000_000, -40_000_000])
async def test_a_date_that_is_far_off_causes_no_wait(far: float) -> None:
    clock = FakeClock()
    messages = minutes(0, 1, far, 2, 3)

    assert await departures(pace_by_created_date(source(messages), 60, clock), clock) == [0, 1, 1, 1, 2]
