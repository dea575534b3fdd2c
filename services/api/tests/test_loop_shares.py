"""Sharing the event loop: so much a turn, those with one request before those with many."""

import asyncio
from functools import partial

from order_api.http.connection_limits import UNITS, UNITS_FOR_MORE, LoopShares


async def test_a_turn_of_the_loop_has_a_fixed_number_of_shares() -> None:
    shares = LoopShares(asyncio.get_running_loop())
    assert [shares.take() for _ in range(UNITS + 1)] == [True] * UNITS + [False]
    await asyncio.sleep(0)
    assert shares.take()


async def test_waiting_work_runs_in_order_and_in_portions() -> None:
    shares, done = LoopShares(asyncio.get_running_loop()), list[str]()
    for number in range(40):
        shares.wait(partial(done.append, f"more{number}"), is_more=True)
    for number in range(15):
        shares.wait(partial(done.append, f"first{number}"), is_more=False)
    assert not shares.take(), "before those who wait"
    await asyncio.sleep(0)
    first = [f"first{number}" for number in range(15)]
    more = [f"more{number}" for number in range(40)]
    units = UNITS - UNITS_FOR_MORE
    assert done == first[:units] + more[:UNITS_FOR_MORE]
    await asyncio.sleep(0)
    assert done[UNITS:] == first[units:] + more[UNITS_FOR_MORE : 2 * UNITS_FOR_MORE]
    assert shares.take(), "those with more leave something"
    for _ in range(10):
        await asyncio.sleep(0)
    assert sorted(done) == sorted(first + more)


async def test_work_may_queue_more_work() -> None:
    shares, done = LoopShares(asyncio.get_running_loop()), list[int]()

    def work() -> None:
        done.append(len(done))
        if len(done) < 10:
            shares.wait(work, is_more=True)

    shares.wait(work, is_more=True)
    await asyncio.sleep(0)
    assert done == [0], "in the next turn"
    for _ in range(20):
        await asyncio.sleep(0)
    assert done == list(range(10))
