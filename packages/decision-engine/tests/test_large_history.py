"""Histories of keys with many orders against plain lists of orders."""

import random
from typing import NamedTuple

import pytest

from decision_engine.history.columns import ColumnKind
from decision_engine.history.large_history import LargeHistory
from decision_engine.history.presence import Presence
from decision_engine.history.spans import fastest_find_span, find_span

KINDS = (ColumnKind.TOTALS, ColumnKind.VALUES, ColumnKind.IDS)
TOTALS, VALUES, IDS = 1, 2, 3
WINDOWS = (7, 100)


class Order(NamedTuple):
    time: int
    values: tuple[int, int, int]


def random_orders(chance: random.Random, count: int, lateness: int) -> list[Order]:
    """Orders in sequence of arrival: one third is late, by up to `lateness`; many share a time."""
    orders = []
    for now in range(count):
        time = now - chance.choice((0, 0, chance.randrange(lateness)))
        amount = chance.choice((1, 1000, 2**62))
        orders.append(Order(time, (amount, chance.randrange(-50, 50), chance.randrange(12))))
    return orders


def agrees(large: LargeHistory, orders: list[Order], window: int, time: int, horizon: int = -(10**9)) -> bool:
    """Whether every aggregate of the orders in a window is that of a plain list."""
    since = max(time - window, horizon)
    inside = [order for order in orders if since < order.time <= time]
    first, end = large.end_of(since), large.end_of(time)
    assert large.count(first, end) == len(inside)
    ids = len({order.values[IDS - 1] for order in inside})
    assert large.distinct_between(IDS, first, end) == ids
    if since == time - window:
        assert large.distinct(IDS, window, time) == ids
    if inside:
        times, amounts, values = zip(*((order.time, *order.values[:2]) for order in inside), strict=True)
        assert large.total(TOTALS, first, end) == sum(amounts)
        assert (large.least(VALUES, first, end), large.greatest(VALUES, first, end)) == (min(values), max(values))
        assert (large.time_after(first), large.time_before(end)) == (min(times), max(times))
    for find in (find_span, fastest_find_span):
        span = find(large, since, time)
        assert (span is None) == (not inside)
        if span is not None:
            assert span.orders == len(inside)
            assert span.total(TOTALS) == sum(amounts)
            assert (span.least(VALUES), span.greatest(VALUES)) == (min(values), max(values))
            assert (span.since_first, span.since_last) == (time - min(times), time - max(times))
            assert span.distinct(IDS, window) == ids
    return True


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_every_aggregate_is_that_of_the_orders_in_the_window(chunk: int) -> None:
    chance = random.Random(chunk)
    large, kept = LargeHistory(KINDS, chunk, {IDS: WINDOWS}), list[Order]()
    for order in random_orders(chance, 400, lateness=150):
        large.add(*order)
        kept.append(order)
        if chance.random() < 0.2:
            assert large.remove(*kept.pop(chance.randrange(len(kept))))
        if kept:
            newest = max(each.time for each in kept)
            time = newest - chance.randrange(120)
            assert agrees(large, kept, chance.choice(WINDOWS), time)
            # A window that is shortened changes nothing for the next one.
            assert agrees(large, kept, chance.choice(WINDOWS), time, horizon=time - chance.randrange(1, 60))
    assert len(large) == len(kept)
    chance.shuffle(kept)
    while kept:
        assert large.remove(*kept.pop())
    assert not large
    assert not large.remove(3, (1, 1, 1))


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_orders_are_forgotten_up_to_a_time_and_windows_begin_there(chunk: int) -> None:
    chance = random.Random(chunk)
    large, kept = LargeHistory(KINDS, chunk, {IDS: WINDOWS}), list[Order]()
    horizon = -1_000
    for number, order in enumerate(random_orders(chance, 400, lateness=60)):
        if order.time > horizon:
            large.add(*order)
            kept.append(order)
        if number % 40 == 39:
            horizon = number - 80
            # Windows begin at the horizon from now on, though everything may be forgotten later.
            assert agrees(large, kept, 100, number - chance.randrange(50), horizon)
            list(large.forget(horizon))
            kept = [each for each in kept if each.time > horizon]
            assert large.oldest == min(each.time for each in kept)
        assert agrees(large, kept, 100, order.time, horizon)


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_the_orders_of_a_history_of_times_alone_are_counted(chunk: int) -> None:
    chance = random.Random(chunk)
    large, kept = LargeHistory((), chunk), list[int]()
    for number, order in enumerate(random_orders(chance, 600, lateness=20)):
        large.add(order.time, ())
        kept.append(order.time)
        if number % 5 == 4:
            assert large.remove(kept.pop(chance.randrange(len(kept))), ())
        if number % 100 == 99:
            list(large.forget(number - 60))
            kept = [time for time in kept if time > number - 60]
        since, end = sorted(chance.randrange(number - 60, number + 1) for _ in range(2))
        counted = large.count(large.end_of(since), large.end_of(end))
        assert counted == sum(since < time <= end for time in kept)
    assert [time for (times,) in large.chunks() for time in times] == sorted(kept)
    assert max(len(times) for (times,) in large.chunks()) <= max(2 * chunk - 1, 1)


def test_orders_in_few_long_chunks_are_kept_in_short_ones() -> None:
    """Snapshots of earlier releases have longer chunks."""
    orders = sorted(random_orders(random.Random(1), 3_000, lateness=50))
    large = LargeHistory(KINDS, 2_000)
    for order in orders:
        large.add(*order)
    long = LargeHistory.of_chunks(large.chunks(), KINDS, 2, {IDS: WINDOWS})
    assert agrees(long, orders, 100, orders[-100].time)
    assert max(len(chunk[0]) for chunk in long.chunks()) < 4


@pytest.mark.parametrize("lateness", [1, 5_000])
def test_the_parts_that_an_order_is_inserted_into_stay_small(lateness: int) -> None:
    """What an order costs depends on their length, for a late order as for any other."""
    chance = random.Random(lateness)
    large = LargeHistory(KINDS, 8)
    for order in random_orders(chance, 5_000, lateness):
        large.add(*order)
    chunks = list(large.chunks())
    assert 5_000 / 16 <= len(chunks) <= 5_000 / 8 + 1
    assert max(len(chunk[0]) for chunk in chunks) < 16
    assert max(len(block.chunks) for block in large.blocks) < 16


def test_ids_are_present_for_the_length_of_the_window() -> None:
    presence = Presence([10])
    for time in (100, 105, 130, 115, 110):  # 115 is just outside the window that begins with 105
        presence.add(7, time)
    present = [time for time in range(90, 150) if presence.distinct(10, time)]
    assert present == [*range(100, 125), *range(130, 140)]
    presence.remove(7, 110)
    assert [time for time in range(90, 150) if presence.distinct(10, time)] == present
    presence.remove(7, 105)
    assert [time for time in range(90, 150) if presence.distinct(10, time)] == [
        *range(100, 110), *range(115, 125), *range(130, 140)
    ]  # fmt: skip


def test_presence_filled_at_once_is_that_of_single_orders() -> None:
    chance = random.Random(2)
    seen = sorted((chance.randrange(500), chance.randrange(9)) for _ in range(300))
    one_by_one, at_once = Presence(WINDOWS), Presence(WINDOWS)
    for time, each in chance.sample(seen, len(seen)):
        one_by_one.add(each, time)
    at_once.fill((each, time) for time, each in seen)
    for presence in (one_by_one, at_once):
        list(presence.forget(40))
    for window in WINDOWS:
        expected = [len({each for time, each in seen if max(end - window, 40) < time <= end}) for end in range(41, 650)]
        for presence in (one_by_one, at_once):
            assert [presence.distinct(window, end) for end in range(41, 650)] == expected
    assert one_by_one.size() == at_once.size()
