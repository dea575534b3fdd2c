"""`python -m tests.benchmarks.live_view`: from a stored decision to its row on screen Now, and which process works.

A detector, the API and a producer at a steady rate; Chromium shows the page. When a row is painted is what Chromium
itself says about it (Element Timing), when its decision is stored the start of the transaction that stored it.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Final, NamedTuple

import asyncpg
import httpx
import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks.browser_tab import Tab, browser_cpu, open_tab
from tests.benchmarks.latency import wait_ready
from tests.benchmarks.stack import Place, Stack, cpu_seconds, running_stack
from tests.support.ports import free_port

WARM_UP: Final = 10.0
TAKE_SECONDS: Final = 5.0
"""How often painted rows are taken from the page, so that they add nothing to what it holds."""

# Marks each new row before it is painted, and keeps when it was: [order id, milliseconds since 1970].
_SCRIPT: Final = """
const painted = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) painted.push([entry.identifier, performance.timeOrigin + entry.renderTime]);
}).observe({type: "element"});
new MutationObserver((changes) => {
  for (const {target, addedNodes} of changes)
    if (target.id === "live-rows")
      for (const row of addedNodes)
        row.querySelector?.("time")?.setAttribute("elementtiming", row.querySelector("a").textContent);
}).observe(document, {childList: true, subtree: true});
window.takePainted = () => painted.splice(0);
"""
_COUNTED: Final = "Number(document.querySelector('[data-count=decisions]').dataset.total ?? 0)"

CpuReader = Callable[[], Mapping[str, float]]


class LiveView(NamedTuple):
    """A measurement: milliseconds from stored to painted by row, decisions counted a second, cores used by process."""

    seconds: float
    delays: list[float]
    counted: float
    cores: Mapping[str, float]


@asynccontextmanager
async def live_page(stack: Stack, place: Place, rate: int) -> AsyncIterator[tuple[Tab, CpuReader]]:
    """Screen Now with orders at the rate, warmed up; and how to read the CPU seconds of every process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        place.process("fraud_detector", "run") as detector,
        place.process("order_api", "serve", ORDERWATCH_API_PORT=str(port)) as api,
    ):
        async with httpx.AsyncClient(base_url=url) as client:
            await wait_ready(client)
        async with open_tab(place, url, _SCRIPT) as tab:
            await tab.page.goto("/workbench/now")
            await tab.page.wait_for_selector("[data-live][data-state=live]")
            with place.process("order_producer", "generate", "--rate", str(rate)) as producer:
                await asyncio.sleep(WARM_UP)
                await _take_painted(tab)

                def read_cpu() -> Mapping[str, float]:
                    return {
                        "producer": cpu_seconds(producer),
                        "broker": stack.broker_cpu(),
                        "detector": cpu_seconds(detector),
                        "Postgres": stack.postgres_cpu(),
                        "API with its pages": cpu_seconds(api),
                        **{f"Chromium, {kind}": seconds for kind, seconds in browser_cpu().items()},
                    }

                yield tab, read_cpu


async def measure(place: Place, tab: Tab, read_cpu: CpuReader, seconds: float) -> LiveView:
    """Take what is painted for some seconds."""
    painted: list[tuple[str, float]] = []
    counted, before, start = await tab.page.evaluate(_COUNTED), read_cpu(), time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        await asyncio.sleep(min(TAKE_SECONDS, seconds - passed))
        painted += await _take_painted(tab)
    after, counted = read_cpu(), await tab.page.evaluate(_COUNTED) - counted
    cores = {name: (after[name] - before.get(name, 0.0)) / passed for name in after}
    return LiveView(passed, await _read_delays(place, painted), counted / passed, cores)


async def _take_painted(tab: Tab) -> list[tuple[str, float]]:
    return [(order_id, moment) for order_id, moment in await tab.page.evaluate("takePainted()")]


async def _read_delays(place: Place, painted: list[tuple[str, float]]) -> list[float]:
    connection = await asyncpg.connect(place.database_url)
    try:
        rows = await connection.fetch(
            "select order_id, stored_at from orders where order_id = any($1)", [order_id for order_id, _ in painted]
        )
    finally:
        await connection.close()
    stored = {row["order_id"]: 1000 * row["stored_at"].timestamp() for row in rows}
    return [moment - stored[order_id] for order_id, moment in painted]


def _show(console: Console, rate: int, found: LiveView) -> None:
    cuts = statistics.quantiles(found.delays, n=100)
    console.print(
        f"{rate:,} orders/s for {found.seconds:.0f} s: stored -> painted p50 {cuts[49]:.0f} ms, p90 {cuts[89]:.0f} ms, "
        f"p99 {cuts[98]:.0f} ms, at most {max(found.delays):.0f} ms of {len(found.delays):,} painted rows; "
        f"the page counted {found.counted:,.0f} decisions/s"
    )
    table = Table("process", "cores")
    for name, cores in sorted(found.cores.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{cores:.3f}")
    table.add_row("all", f"{sum(found.cores.values()):.3f}")
    console.print(table)


async def _run(rate: int, seconds: float, minutes: int, times: int) -> None:
    console = Console()
    async with (
        running_stack({}) as stack,
        stack.place() as place,
        live_page(stack, place, rate) as (tab, read_cpu),
    ):
        for _ in range(times):
            _show(console, rate, await measure(place, tab, read_cpu, seconds))
        for minute in range(minutes + 1 if minutes else 0):
            if minute:
                await measure(place, tab, read_cpu, 60)
            held = await tab.measure_held()
            console.print(
                f"minute {minute:>2}: objects {held.heap_bytes / 1e6:.2f} MB, {held.nodes:,} nodes, "
                f"process {held.process_bytes / 1e6:.0f} MB"
            )


def main(
    *,
    rate: Annotated[int, typer.Option(help="Orders per second that are published.", min=1)] = 2_000,
    seconds: Annotated[float, typer.Option(help="How long the delay is measured.", min=1)] = 30,
    times: Annotated[int, typer.Option(help="How many times in a row.", min=1)] = 3,
    minutes: Annotated[
        int, typer.Option(help="Then, for so many minutes, what the tab holds each minute after a collection.", min=0)
    ] = 0,
) -> None:
    """Print the delay from stored to painted, the cores that each process used, and what the tab holds."""
    asyncio.run(_run(rate, seconds, minutes, times))


if __name__ == "__main__":
    typer.run(main)
