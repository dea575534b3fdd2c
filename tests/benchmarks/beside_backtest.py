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
from tests.benchmarks.stack import Stack, running_stack
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
    """Orders that the backtest had decided by the end of the measurement."""


async def measure_beside_backtest(
    stack: Stack, rate: int, seconds: int, orders: int, progress: Progress
) -> BesideBacktest:
    """Follow orders for some seconds, then as long at most while a backtest with ten features runs by the API."""
    async with stack.place() as place:
        progress(f"{orders:,} past orders to Postgres")
        await store_past_orders(place.database_url, FIRST, DAYS, orders, topic=place.kafka.orders_topic)
        async with system_under_load(place, rate) as client:
            progress("latency without a backtest")
            alone = await follow_orders(place, client, seconds)
            progress("latency beside a backtest")
            wanted = {"from": FIRST.isoformat(), "to": (FIRST + timedelta(days=DAYS)).isoformat()}
            made = await client.post("/v1/backtests", json={**wanted, "ruleset": {"draft": TEN_FEATURES}})
            backtest = f"/v1/backtests/{made.raise_for_status().json()['id']}"
            beside: list[float] = []
            while (state := await _read(client, backtest))["state"] in {"queued", "running"}:
                if len(beside) >= len(alone):
                    break
                beside += await follow_orders(place, client, AT_A_TIME)
            assert state["state"] in {"running", "done"}, state
            await client.delete(backtest)
    return BesideBacktest(rate, len(alone), _p99(alone), len(beside), _p99(beside), state["decided"])


async def _read(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(path)).raise_for_status().json()
    return found


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


def main(
    *,
    rate: Annotated[int, typer.Option(help="Orders per second that are published.")] = 500,
    seconds: Annotated[int, typer.Option(help="How long each of the two is measured.")] = 20,
    orders: Annotated[int, typer.Option(help="Past orders that the backtest decides.")] = 1_000_000,
) -> None:
    """Print both p99 and their ratio."""

    async def measure() -> BesideBacktest:
        async with running_stack({}) as stack:
            return await measure_beside_backtest(stack, rate, seconds, orders, print)

    found = asyncio.run(measure())
    print(
        f"publish -> REST at {found.rate:,} orders/s: p99 {found.alone_p99:.0f} ms of {found.alone_samples:,} orders; "
        f"while a backtest decided {found.decided:,} orders {found.beside_p99:.0f} ms of {found.beside_samples:,}: "
        f"{found.beside_p99 / found.alone_p99:.2f} times"
    )


if __name__ == "__main__":
    typer.run(main)
