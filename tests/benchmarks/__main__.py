"""`python -m tests.benchmarks`: measure, print a table, and write the figures to a JSON file."""

import asyncio
import dataclasses
import os
import platform
import statistics
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import typer
from rich.console import Console
from rich.table import Table

from decision_engine.pack_mode import PackMode
from tests.benchmarks.api import PATHS, ApiSpeed, measure_api
from tests.benchmarks.backtest import BacktestCost, measure_backtest
from tests.benchmarks.following import Following, measure_following
from tests.benchmarks.history import HistoryCost, HistorySize, measure_history_cost, measure_history_size
from tests.benchmarks.latency import Latency, measure_latency
from tests.benchmarks.stack import running_stack
from tests.benchmarks.throughput import Throughput, measure_throughput

console = Console()


class Measured(NamedTuple):
    """Everything that was measured."""

    throughput: list[Throughput]
    latency: list[Latency]
    following: Following
    speeds: list[ApiSpeed]
    history_cost: HistoryCost
    history_size: HistorySize
    backtest: BacktestCost


def main(
    *,
    orders: Annotated[int, typer.Option(help="Orders of each throughput measurement.")] = 200_000,
    pairs: Annotated[int, typer.Option(help="Pairs of detector and bare COPY, in turn.")] = 3,
    seconds: Annotated[int, typer.Option(help="How long each latency is measured.")] = 20,
    rules: Annotated[
        Path | None, typer.Option(help="Rules of the detectors; the default ones when left out.", exists=True)
    ] = None,
    pack: Annotated[PackMode, typer.Option(help="How the marketplace pack decides beside them.")] = PackMode.OFF,
    history_orders: Annotated[int, typer.Option(help="Orders whose histories are measured.")] = 1_000_000,
    output: Annotated[Path, typer.Option(help="Where the figures go.")] = Path(".orderwatch/bench.json"),
) -> None:
    """Measure topic -> Postgres against a bare COPY, publish -> REST at 500 and 2,000 orders/s, API, and histories."""
    settings = {"ORDERWATCH_MARKETPLACE_PACK": pack.value} | ({"ORDERWATCH_RULES": str(rules)} if rules else {})
    measured = asyncio.run(_measure(orders, pairs, seconds, history_orders, settings))
    _show(measured)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(orjson.dumps(_figures(measured), option=orjson.OPT_INDENT_2))
    console.print(f"written to {output}")


async def _measure(orders: int, pairs: int, seconds: int, history_orders: int, rules: Mapping[str, str]) -> Measured:
    with console.status("starting a broker and a database") as status:
        # Memory first: what was freed before would be used again.
        history_size = measure_history_size(history_orders, history_orders // 10, status.update)
        history_cost = measure_history_cost(status.update)
        async with running_stack(rules) as stack:
            latency = [await measure_latency(stack, rate, seconds, status.update) for rate in (500, 2_000)]
            following = await measure_following(stack, 2_000, seconds, status.update)
            speeds = await measure_api(stack, pairs, seconds / 4, status.update)
            throughput = await measure_throughput(stack, orders, pairs, status.update)
            backtest = await measure_backtest(stack, orders, status.update)
            return Measured(throughput, latency, following, speeds, history_cost, history_size, backtest)


def _show(measured: Measured) -> None:
    table = Table(
        "orders/s", "bare COPY", "ratio", "detector CPU us/order", "Postgres CPU us/order", title="topic -> Postgres"
    )
    for pair in measured.throughput:
        table.add_row(
            f"{pair.detector:,.0f}", f"{pair.bare_copy:,.0f}", f"{pair.ratio:.2f}",
            f"{pair.detector_cpu:.1f}", f"{pair.postgres_cpu:.1f}",
        )  # fmt: skip
    console.print(table)
    table = Table(
        "orders/s", "samples", "p50 ms", "p95 ms", "p99 ms", "appended -> stored p99 ms", title="publish -> REST"
    )
    for at in measured.latency:
        table.add_row(
            f"{at.rate:,}", str(at.samples), f"{at.p50:.1f}", f"{at.p95:.1f}", f"{at.p99:.1f}", f"{at.decided_p99:.1f}"
        )
    console.print(table)
    followed = measured.following
    console.print(
        f"two detectors with the marketplace pack at {followed.rate:,} orders/s: what the other decided counts within "
        f"{followed.p50:g} ms in half of {followed.observations:,} polls, within {followed.p99:g} ms in 99 percent"
    )
    table = Table(
        "request", "API/s", "bare handler/s", "ratio", "CPU us/request", "bare CPU us", title="API, 16 connections"
    )
    for speed in measured.speeds:
        table.add_row(
            speed.request, f"{speed.api:,.0f}", f"{speed.bare:,.0f}", f"{speed.ratio:.2f}",
            f"{speed.api_cpu:.0f}", f"{speed.bare_cpu:.0f}",
        )  # fmt: skip
    console.print(table)
    tried = measured.backtest
    console.print(
        f"backtest: {tried.plain:.1f} us of CPU an order ({tried.plain_postgres:.1f} of Postgres), with ten features "
        f"{tried.ten_features:.1f} ({tried.ten_features_postgres:.1f})"
    )
    cost, size = measured.history_cost, measured.history_size
    console.print(
        f"ten features over four keys: {cost.minute:.1f} us of CPU an order with windows of a minute, "
        f"{cost.month:.1f} with windows of 30 days ({cost.month / cost.minute:.2f})"
    )
    console.print(
        f"{size.orders:,} orders of {size.keys:,} users: {size.megabytes:,.0f} MB; their snapshot: "
        f"{size.snapshot_megabytes:,.0f} MB, written in {size.write_seconds:.1f} s, read in {size.read_seconds:.1f} s"
    )


def _figures(measured: Measured) -> dict[str, Any]:
    throughput, speeds = measured.throughput, measured.speeds
    return {
        "measured_at": datetime.now(UTC),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "throughput": {
            "median_ratio": statistics.median(pair.ratio for pair in throughput),
            "pairs": [{**dataclasses.asdict(pair), "ratio": pair.ratio} for pair in throughput],
        },
        "api": {
            "median_ratios": {
                name: statistics.median(speed.ratio for speed in speeds if speed.request == name) for name in PATHS
            },
            "pairs": [{**dataclasses.asdict(speed), "ratio": speed.ratio} for speed in speeds],
        },
        "latency_ms": [dataclasses.asdict(at) for at in measured.latency],
        "following_ms": dataclasses.asdict(measured.following),
        "backtest_us": dataclasses.asdict(measured.backtest),
        "history": {**dataclasses.asdict(measured.history_cost), **dataclasses.asdict(measured.history_size)},
    }


if __name__ == "__main__":
    typer.run(main)
