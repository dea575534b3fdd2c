"""`python -m tests.benchmarks.keystrokes`: from a key until its effect is painted, in the review queue and the editor.

A verdict is two keys; after the second one the next order is shown. In the editor a key makes the rules invalid, or
valid again, which a mark beside the line shows.
"""

import asyncio
import statistics
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import typer
from playwright.async_api import Page
from rich.console import Console

from tests.benchmarks.backtest_page import DRAFT, rules_page
from tests.support.waiting import until

# Keeps the milliseconds from the last key until the frame in which `shown` has another value. The editor has a root of
# its own, which an observer of the document does not see.
_OBSERVE: Final = """
([rootOf, shownIn]) => {
  const root = rootOf ? document.querySelector(rootOf).shadowRoot : document;
  const shown = () => [...root.querySelectorAll(shownIn)].map((each) => each.value ?? "mark").join();
  const channel = new MessageChannel();
  let pressed = 0, before = shown();
  window.taken = [];
  channel.port1.onmessage = () => taken.push(performance.now() - pressed);
  root.addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  new MutationObserver(() => {
    if (shown() === before) return;
    before = shown();
    requestAnimationFrame(() => channel.port2.postMessage(null));
  }).observe(root, {childList: true, subtree: true, attributes: true});
}
"""


async def measure_verdicts(page: Page, times: int) -> list[float]:
    """Milliseconds from a verdict's second key until the next order is painted."""
    await page.goto("/workbench/queue")
    await page.keyboard.press("n")
    await page.locator("article input[name=order_id]").first.wait_for(state="attached")
    await page.evaluate(_OBSERVE, [None, "article form[action$=close] input[name=order_id]"])
    return await _press(page, ["f1", "l1"] * (times // 2))


async def measure_diagnostics(page: Page, times: int) -> list[float]:
    """Milliseconds from a key in the editor until its diagnostics are painted."""
    await page.goto(f"/workbench/rules/draft?name={DRAFT}")
    await page.locator(".cm-content").click()
    await page.keyboard.press("Control+End")
    await page.evaluate(_OBSERVE, [".editor", ".cm-lint-marker-error"])
    return await _press(page, ["?", "Backspace"] * (times // 2))


async def _press(page: Page, keys: Sequence[str]) -> list[float]:
    for each in keys:
        before = await page.evaluate("taken.length")
        for key in [each] if each == "Backspace" else each:
            await page.keyboard.press(key)
        await until(partial(page.evaluate, f"taken.length > {before}"), "the effect of a key to be painted")
    taken: list[float] = await page.evaluate("taken")
    return taken


async def _run(orders: int, times: int) -> None:
    console = Console()
    async with rules_page(orders, console.print) as (page, _):
        measured = {
            "a verdict until the next order": await measure_verdicts(page, times),
            "a key in the editor until its diagnostics": await measure_diagnostics(page, times),
        }
    for name, taken in measured.items():
        cuts = statistics.quantiles(taken, n=100)
        console.print(
            f"{name}, {len(taken)} times: p50 {cuts[49]:.0f} ms, p90 {cuts[89]:.0f} ms, p99 {cuts[98]:.0f} ms, "
            f"at most {max(taken):.0f} ms"
        )


def main(
    *,
    orders: Annotated[
        int, typer.Option(help="Past orders that are stored, of which one in fifty waits.", min=10_000)
    ] = 20_000,
    times: Annotated[int, typer.Option(help="Verdicts, and keys in the editor.", min=4)] = 200,
) -> None:
    """Print the time from a key until its effect is painted."""
    asyncio.run(_run(orders, times))


if __name__ == "__main__":
    typer.run(main)
