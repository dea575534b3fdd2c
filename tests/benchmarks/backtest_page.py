"""`python -m tests.benchmarks.backtest_page`: a backtest of a draft from its page: how progress is painted, and cancel.

Past orders are stored; a draft is saved in the editor; its backtest runs to the end while the page is watched; then
further ones are cancelled by the page's button.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

import httpx
import psutil
import typer
from playwright.async_api import Page
from rich.console import Console

from tests.benchmarks.backtest import DAYS, FIRST
from tests.benchmarks.browser_tab import open_tab
from tests.benchmarks.latency import wait_ready
from tests.benchmarks.stack import Place, running_stack
from tests.support.past_orders import store_past_orders
from tests.support.ports import free_port
from tests.support.waiting import until

DRAFT: Final = "measured"
LONGEST: Final = 600_000.0
"""Milliseconds that a backtest may take."""
RUNNING_SECONDS: Final = 3.0
"""How long a backtest runs before it is cancelled."""

# Keeps when each state of the progress was painted: [milliseconds, orders decided].
_SCRIPT: Final = """
const painted = [];
const channel = new MessageChannel();
channel.port1.onmessage = () => {
  const bar = document.querySelector("progress");
  if (bar) painted.push([performance.now(), bar.value]);
};
new MutationObserver((changes) => {
  if (changes.some((change) => change.target.querySelector?.("progress")))
    requestAnimationFrame(() => channel.port2.postMessage(null));
}).observe(document, {childList: true, subtree: true});
window.painted = painted;
"""
_DECIDED: Final = "document.querySelector('progress')?.value ?? 0"


class Progress(NamedTuple):
    """A backtest that ran to its end: seconds, how often progress was painted, and the longest time without."""

    seconds: float
    paintings: int
    largest_gap: float


class Cancelled(NamedTuple):
    """Seconds from the click until the page says cancelled, and until the process is gone; orders decided by then."""

    until_shown: float
    until_gone: float
    decided: int


@asynccontextmanager
async def rules_page(orders: int, show: Callable[[str], None]) -> AsyncIterator[tuple[Page, psutil.Process]]:
    """A tab with a saved draft, on a system with so many past orders, and the API's process."""
    async with running_stack({}) as stack, stack.place() as place:
        show(f"{orders:,} past orders to Postgres")
        await store_past_orders(place.database_url, FIRST, DAYS, orders, topic=place.kafka.orders_topic)
        async with _draft_page(place) as found:
            yield found


@asynccontextmanager
async def _draft_page(place: Place) -> AsyncIterator[tuple[Page, psutil.Process]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        place.process("fraud_detector", "run"),
        place.process("order_api", "serve", ORDERWATCH_API_PORT=str(port)) as api,
    ):
        async with httpx.AsyncClient(base_url=url) as client:
            await wait_ready(client)
        async with open_tab(place, url, _SCRIPT) as tab:
            page = tab.page
            await page.goto(f"/workbench/rules/draft?name={DRAFT}")
            await page.get_by_label("What it is for").fill("to be measured")
            await page.get_by_role("button", name="Save the draft").click()
            await page.get_by_role("link", name="Backtest of a range").wait_for()
            yield page, api


async def _start(page: Page) -> None:
    await page.goto(f"/workbench/rules/backtests?draft={DRAFT}")
    await page.get_by_label("From").fill(str(FIRST))
    await page.get_by_label("Up to and including").fill(str(FIRST + timedelta(days=DAYS - 1)))
    await page.get_by_role("button", name="Run the backtest").click()
    await page.wait_for_selector("progress")


async def run_to_the_end(page: Page) -> Progress:
    """Start a backtest, and watch its page until the report is there."""
    await _start(page)
    start = time.perf_counter()
    await page.wait_for_selector("[data-chart] canvas", timeout=LONGEST)
    seconds = time.perf_counter() - start
    painted: list[list[float]] = await page.evaluate("painted")
    moments = [0.0, *(moment for moment, _ in painted)]
    largest = max(later - earlier for earlier, later in pairwise(moments))
    return Progress(seconds, len(painted), largest / 1000)


async def cancel(page: Page, api: psutil.Process) -> Cancelled:
    """Start a backtest, cancel it while it decides orders, and wait for the page and for the process."""
    await _start(page)
    await until(lambda: page.evaluate(_DECIDED), "the first orders to be decided")
    await asyncio.sleep(RUNNING_SECONDS)
    workers = [child for child in api.children() if "order_backtests.worker" in child.cmdline()]
    if not workers:
        sys.exit("The backtest was over before it could be cancelled: give more --orders, or --times 0.")
    (worker,) = workers
    start = time.perf_counter()

    async def until_gone() -> float:
        await until(lambda: not worker.is_running(), "the process to end")
        return time.perf_counter() - start

    async def until_shown() -> float:
        await page.get_by_role("button", name="Cancel").click()
        await page.locator(".tag", has_text="cancelled").wait_for()
        return time.perf_counter() - start

    gone, shown = await asyncio.gather(until_gone(), until_shown())
    return Cancelled(shown, gone, await page.evaluate(_DECIDED))


async def _run(orders: int, times: int) -> None:
    console = Console()
    async with rules_page(orders, console.print) as (page, api):
        ran = await run_to_the_end(page)
        console.print(
            f"backtest of {orders:,} orders: {ran.seconds:.1f} s, progress painted {ran.paintings} times, "
            f"at most {ran.largest_gap:.2f} s apart"
        )
        for _ in range(times):
            found = await cancel(page, api)
            console.print(
                f"cancelled after {found.decided:,} orders: the page says so after {found.until_shown:.2f} s, "
                f"the process is gone after {found.until_gone:.2f} s"
            )


def main(
    *,
    orders: Annotated[int, typer.Option(help="Past orders that are stored and decided.", min=1)] = 1_000_000,
    times: Annotated[int, typer.Option(help="How many backtests are cancelled.", min=0)] = 3,
) -> None:
    """Print how the progress of a backtest is painted, and how long it takes to cancel one."""
    asyncio.run(_run(orders, times))


if __name__ == "__main__":
    typer.run(main)
