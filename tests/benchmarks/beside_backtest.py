"""`python -m tests.benchmarks.beside_backtest`: publish to REST without a backtest and beside one, in one run."""

import asyncio
import statistics
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import httpx
import typer

from tests.benchmarks.backtest import DAYS, FIRST, TEN_FEATURES
from tests.benchmarks.latency import Progress, follow_orders, system_under_load
from tests.benchmarks.stack import Place, Stack, running_stack
from tests.support.past_orders import store_past_orders

AT_A_TIME = 5
"""Seconds of orders that are followed before it is checked whether the backtest still runs."""


@dataclass(frozen=True, slots=True)
class BesideBacktest:
    """Milliseconds from publish to the API's answer without a backtest, and while one decides past orders."""

    rate: int
    alone_samples: int
    alone_p99: float
    beside_samples: int
    beside_p99: float
    decided: int
    """Orders that the backtests decided while orders were followed."""


async def measure_beside_backtest(
    stack: Stack, rate: int, *, seconds: int, rounds: int, orders: int, progress: Progress
) -> BesideBacktest:
    """Follow orders for some seconds, then as long at most while a backtest with ten features runs by the API.

    Both `rounds` times in turns: a p99 of one round differs as much by itself as a backtest could make it differ.
    """
    async with stack.place() as place:
        progress(f"{orders:,} past orders to Postgres")
        await store_past_orders(place.database_url, FIRST, DAYS, orders, topic=place.kafka.orders_topic)
        async with system_under_load(place, rate) as client:
            alone: list[float] = []
            beside: list[float] = []
            decided = 0
            for number in range(rounds):
                progress(f"latency without a backtest and beside one, round {number + 1} of {rounds}")
                alone += await follow_orders(place, client, seconds)
                taken, at_the_end = await _follow_beside(place, client, seconds)
                beside += taken
                decided += at_the_end
    return BesideBacktest(rate, len(alone), _p99(alone), len(beside), _p99(beside), decided)


async def _follow_beside(place: Place, client: httpx.AsyncClient, seconds: int) -> tuple[list[float], int]:
    """Milliseconds of orders while a backtest runs, for so many seconds at most; and how many orders it decided."""
    wanted = {"from": FIRST.isoformat(), "to": (FIRST + timedelta(days=DAYS)).isoformat()}
    made = await client.post("/v1/backtests", json={**wanted, "ruleset": {"draft": TEN_FEATURES}})
    backtest = f"/v1/backtests/{made.raise_for_status().json()['id']}"
    taken: list[float] = []
    for _ in range(0, seconds, AT_A_TIME):
        taken += await follow_orders(place, client, AT_A_TIME)
        state = await _read(client, backtest)
        assert state["state"] in {"running", "done"}, state
        if state["state"] == "done":
            break
    await client.delete(backtest)
    decided: int = state["decided"]
    return taken, decided


async def _read(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(path)).raise_for_status().json()
    return found


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


def main(
    *,
    rate: Annotated[int, typer.Option(help="Orders per second that are published.")] = 500,
    seconds: Annotated[int, typer.Option(help="How long each of the two is measured in a round.", min=AT_A_TIME)] = 20,
    rounds: Annotated[int, typer.Option(help="How often, in turns.", min=1)] = 5,
    orders: Annotated[int, typer.Option(help="Past orders that the backtest decides.")] = 1_000_000,
) -> None:
    """Print both p99 and their ratio."""

    async def measure() -> BesideBacktest:
        async with running_stack({}) as stack:
            return await measure_beside_backtest(
                stack, rate, seconds=seconds, rounds=rounds, orders=orders, progress=print
            )

    found = asyncio.run(measure())
    print(
        f"publish -> REST at {found.rate:,} orders/s: p99 {found.alone_p99:.0f} ms of {found.alone_samples:,} orders; "
        f"while a backtest decided {found.decided:,} orders {found.beside_p99:.0f} ms of {found.beside_samples:,}: "
        f"{found.beside_p99 / found.alone_p99:.2f} times"
    )


if __name__ == "__main__":
    typer.run(main)
