"""A signed-in tab of Chromium on the workbench's pages: what it holds, and the CPU of its processes."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from playwright.async_api import CDPSession, Page, ViewportSize, async_playwright

from order_api.auth import people
from order_api.auth.keys import Role
from tests.benchmarks.stack import Place, cpu_seconds
from tests.support.workbench import CHROMIUM, CHROMIUM_OPTIONS

SIZE: Final[ViewportSize] = {"width": 1280, "height": 900}
_TYPE: Final = re.compile(r"--type=(\S+)")


@dataclass(frozen=True, slots=True)
class Held:
    """What a tab holds after a collection: bytes of its scripts' objects and of its process, and its nodes."""

    heap_bytes: int
    nodes: int
    process_bytes: int


class Tab:
    """A page, with the session of its developer tools."""

    def __init__(self, page: Page, tools: CDPSession) -> None:
        self.page = page
        self._tools = tools

    async def measure_held(self) -> Held:
        """Collect garbage, and read what is left."""
        await self._tools.send("HeapProfiler.collectGarbage")
        listed = (await self._tools.send("Performance.getMetrics"))["metrics"]
        metrics = {each["name"]: int(each["value"]) for each in listed}
        rendering = [process for kind, process in _browser_processes() if kind == "renderer"]
        resident = sum(process.memory_full_info().uss for process in rendering)
        return Held(metrics["JSHeapUsedSize"], metrics["Nodes"], resident)


@asynccontextmanager
async def open_tab(place: Place, api_url: str, script: str = "") -> AsyncIterator[Tab]:
    """A tab of a person of role admin, in a Chromium without a window; `script` runs in each page before its own."""
    if CHROMIUM is None:
        raise RuntimeError("no Chromium: `apt-get install chromium` provides one")
    connection = await asyncpg.connect(place.database_url)
    _, code = await people.invite(connection, "Dina", Role.ADMIN)
    await connection.close()
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=Path(CHROMIUM), args=CHROMIUM_OPTIONS) as browser,
        await browser.new_context(base_url=api_url, viewport=SIZE) as context,
    ):
        page = await context.new_page()
        await page.add_init_script(script)
        await page.goto(people.sign_in_link(api_url, code))
        tools = await context.new_cdp_session(page)
        await tools.send("Performance.enable")
        yield Tab(page, tools)


def browser_cpu() -> Mapping[str, float]:
    """CPU seconds of this process's Chromium, by kind of process: `renderer` is the page, `gpu-process` paints."""
    total: defaultdict[str, float] = defaultdict(float)
    for kind, process in _browser_processes():
        total[kind] += cpu_seconds(process, with_children=False)
    return total


def _browser_processes() -> list[tuple[str, psutil.Process]]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            command = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        if "--remote-debugging-pipe" in command or "--type=" in command:
            kind = _TYPE.search(command)
            found.append(("browser" if kind is None else kind[1], process))
    return found
