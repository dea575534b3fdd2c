"""Statistics: adding up, keeping what was costly, and the answer."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from order_api.kit.cost_aware_cache import CostAwareCache
from order_api.kit.lag_monitor import Reading
from order_api.stats.repository import OrderGroup
from order_api.stats.service import Counted, build_statistics
from order_platform.kafka.lag import GroupMember, PartitionLag

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def counted(*groups: OrderGroup) -> Counted:
    return Counted(NOW - timedelta(days=1), NOW, NOW, groups, [], {"duplicate": 3})


def test_statistics_of_no_orders_are_zero() -> None:
    answer = build_statistics(counted(), Reading(None))
    assert (answer.orders, answer.flagged, answer.flagged_share, answer.amounts) == (0, 0, 0.0, [])
    assert (answer.stream.lag, answer.stream.partitions, answer.stream.detectors) == (None, None, None)


def test_groups_are_added_up() -> None:
    answer = build_statistics(
        counted(
            OrderGroup("approve", "IDR", None, 90, 9_000),
            OrderGroup("approve", "IDR", ["shadow-rule"], 4, 400),
            OrderGroup("review", "IDR", ["large", "shadow-rule"], 5, 50_000),
            OrderGroup("decline", "USD", ["large"], 1, 7),
        ),
        Reading(
            [PartitionLag(0, 10, 20, 25)], [GroupMember("b", "/10.0.0.8", (1,)), GroupMember("a", "/10.0.0.7", (0,))]
        ),
    )
    assert (answer.orders, answer.flagged, answer.flagged_share) == (100, 6, 0.06)
    assert answer.by_outcome.model_dump() == {"approve": 94, "review": 5, "decline": 1}
    assert answer.by_status.model_dump() == {"genuine": 94, "fraud": 6}
    assert [(hit.rule, hit.orders) for hit in answer.hits_by_rule] == [("shadow-rule", 9), ("large", 6)]
    assert [tuple(amount.model_dump().values()) for amount in answer.amounts] == [
        ("IDR", 59_400, 50_000),
        ("USD", 7, 7),
    ]
    assert (answer.stream.duplicates, answer.stream.conflicts, answer.stream.lag) == (3, 0, 5)
    assert [(each.host, each.partitions) for each in answer.stream.detectors or ()] == [
        ("10.0.0.7", [0]),
        ("10.0.0.8", [1]),
    ]


class Clock:
    """Time that computing takes."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def computing(self, seconds: float) -> Callable[[], Any]:
        async def compute() -> float:
            await asyncio.sleep(0)
            self.now += seconds
            return self.now

        return compute


async def test_a_costly_answer_is_kept_ten_times_as_long_as_it_took() -> None:
    clock = Clock()
    kept: CostAwareCache[float] = CostAwareCache(clock)
    assert await kept.get("a", clock.computing(0.2)) == 0.2
    clock.now += 1.9
    assert await kept.get("a", clock.computing(0.2)) == 0.2
    clock.now += 0.2
    assert await kept.get("a", clock.computing(0.2)) > 2


async def test_one_computes_for_all_who_ask_at_once() -> None:
    clock = Clock()
    kept: CostAwareCache[float] = CostAwareCache(clock)
    answers = await asyncio.gather(*(kept.get("a", clock.computing(0.2)) for _ in range(50)))
    assert set(answers) == {0.2}


async def test_windows_are_computed_side_by_side() -> None:
    kept: CostAwareCache[str] = CostAwareCache()
    both = asyncio.Barrier(2)

    async def compute() -> str:
        await both.wait()  # one after the other this would never end
        return "done"

    async with asyncio.timeout(60):
        values = await asyncio.gather(kept.get("a", compute), kept.get("b", compute))
    assert set(values) == {"done"}


async def test_a_computation_ends_with_the_last_who_waits() -> None:
    kept: CostAwareCache[str] = CostAwareCache()
    ended = 0

    async def compute() -> str:
        nonlocal ended
        try:
            await asyncio.sleep(60)
        finally:
            ended += 1
        return "done"

    first, second = [asyncio.create_task(kept.get("a", compute)) for _ in range(2)]
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait([first])
    assert ended == 0
    second.cancel()
    await asyncio.wait([second])
    assert ended == 1


async def test_an_error_is_not_kept() -> None:
    kept: CostAwareCache[str] = CostAwareCache()

    async def fail() -> str:
        raise ValueError("failed")

    async def compute() -> str:
        return "done"

    with pytest.raises(ValueError, match="failed"):
        await kept.get("a", fail)
    assert await kept.get("a", compute) == "done"


async def test_no_more_is_kept_than_there_is_room_for() -> None:
    clock = Clock()
    kept: CostAwareCache[float] = CostAwareCache(clock, max_kept=2)
    for key in "abc":
        await kept.get(key, clock.computing(1))
    assert [key for key in "abc" if kept.fresh(key) is not None] == ["b", "c"]


@pytest.mark.integration
async def test_statistics_of_the_last_day(
    client: httpx.AsyncClient, store: Any, order: Any, connection: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    await store(
        order("a", created_date=now - timedelta(hours=1)),
        order("b", created_date=now - timedelta(hours=2), flagged=True, amount=10**15, user_id="u"),
        order("c", created_date=now - timedelta(hours=3), flagged=True, amount=10**15, user_id="u"),
        order("d", created_date=now - timedelta(hours=25)),
    )
    await connection.executemany(
        "insert into stream_outcomes (topic, partition, \"offset\", outcome) values ('orders', 0, $1, $2)",
        [(1, "duplicate"), (2, "dead-letter"), (3, "dead-letter")],
    )
    answer = (await client.get("/v1/stats")).raise_for_status().json()
    assert (answer["orders"], answer["flagged"]) == (3, 2)
    assert answer["amounts"] == [{"currency": "IDR", "total": 2 * 10**15 + 100_000, "flagged": 2 * 10**15}]
    assert answer["hits_by_rule"] == [{"rule": "large-order", "orders": 2}]
    assert answer["most_flagged_users"] == [{"user_id": "u", "flagged": 2}]
    stream = answer["stream"]
    assert (stream["duplicates"], stream["conflicts"], stream["dead_letters"], stream["lag"]) == (1, 0, 2, 3)
    assert stream["partitions"][1] == {"partition": 1, "beginning": 5, "committed": None, "end": 6, "lag": 1}


@pytest.mark.integration
async def test_the_window_can_be_chosen(client: httpx.AsyncClient, store: Any, order: Any) -> None:
    await store(order("a"), order("b", created_date=datetime(2026, 11, 23, tzinfo=UTC)))
    answer = (await client.get("/v1/stats", params={"from": "2026-11-22", "to": "2026-11-23"})).json()
    assert (answer["orders"], answer["from"], answer["to"]) == (1, "2026-11-21T17:00:00Z", "2026-11-22T17:00:00Z")


@pytest.mark.integration
async def test_statistics_do_without_the_broker(client: httpx.AsyncClient, lag: Any) -> None:
    lag.away = True
    stream = (await client.get("/v1/stats")).raise_for_status().json()["stream"]
    assert (stream["lag"], stream["partitions"]) == (None, None)
