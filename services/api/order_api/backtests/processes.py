"""The processes of backtests: a few at a time, the others wait; each has a priority and bounds."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
import structlog

from order_api.http.problems.availability import DatabaseUnavailable, QueryTooSlow, ShuttingDown, TooManyBacktests
from order_api.kit.database import Database
from order_api.settings import ApiSettings
from order_backtests.priority import Priority, set_priority
from order_backtests.repository import Progress, State, end_backtest, report_progress
from order_backtests.worker_messages import LONGEST_MESSAGE, Decided, Failed, Finished, Message, Started, Task

log = structlog.get_logger(__name__)

REPORT_SECONDS: Final = 0.5
"""How often progress is stored, and how soon a backtest notices that another process has cancelled it."""
WORKER: Final = (sys.executable, "-m", "order_backtests.worker")
_UNAVAILABLE: Final = (DatabaseUnavailable, QueryTooSlow)


class BacktestLimits(NamedTuple):
    """Bounds of the backtests of this process: how many run and wait, and of one the seconds and the megabytes.

    `priority` is that of stored backtests, which run in the background.
    """

    running: int
    queued: int
    seconds: float
    megabytes: int
    priority: Priority = Priority.IDLE


def backtest_limits(settings: ApiSettings) -> BacktestLimits:
    """The bounds that the settings have."""
    return BacktestLimits(
        settings.api_backtests_running,
        settings.api_backtests_queued,
        settings.api_backtest_seconds,
        settings.api_backtest_megabytes,
        Priority(settings.api_backtest_priority),
    )


class BacktestEnd(NamedTuple):
    """How a backtest has ended: with an error, or with its report as JSON and as a page."""

    state: State
    error: str | None = None
    report: str | None = None
    page: str | None = None


@dataclass(slots=True)
class _Run:
    progress: Progress
    work: asyncio.Task[None]


class BacktestProcesses:
    """Runs backtests that are stored, and stores how far they come and how they end."""

    def __init__(self, database: Database, limits: BacktestLimits, command: Sequence[str] = WORKER) -> None:
        self._database = database
        self._limits = limits
        self._command = command
        self._slots = asyncio.Semaphore(limits.running)
        self._runs: dict[int, _Run] = {}
        self._reporting: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def count(self) -> int:
        """Backtests that run or wait."""
        return len(self._runs)

    def admit(self) -> None:
        """Raises ShuttingDown or TooManyBacktests when another backtest cannot be accepted."""
        if self._closing:
            raise ShuttingDown
        if self.count >= self._limits.running + self._limits.queued:
            raise TooManyBacktests(self.count)

    def start(self, backtest_id: int, task: Task) -> None:
        """Run a backtest that is stored as queued, as soon as it is its turn."""
        progress = Progress()
        self._runs[backtest_id] = _Run(progress, asyncio.create_task(self._run(backtest_id, task, progress)))
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report())

    def cancel(self, backtest_id: int) -> None:
        """End a backtest whose end is stored already, if it runs here."""
        if (run := self._runs.get(backtest_id)) is not None:
            run.work.cancel()

    async def run_unstored(self, task: Task, priority: Priority) -> BacktestEnd:
        """Run a backtest for a client that waits for it, beside those that are stored; its process ends with this."""
        return await self._run_process(task, Progress(), priority)

    async def close(self) -> None:
        """End all backtests; they are stored as interrupted."""
        self._closing = True
        works = [run.work for run in self._runs.values()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)

    async def _run(self, backtest_id: int, task: Task, progress: Progress) -> None:
        end = BacktestEnd(State.INTERRUPTED)
        try:
            async with self._slots:
                progress.is_running = True
                end = await self._run_process(task, progress, self._limits.priority)
        except Exception as error:
            end = BacktestEnd(State.FAILED, "a fault in Orderwatch; the API's log has it")
            log.exception("backtest_failed", backtest=backtest_id, error=str(error))
        finally:
            del self._runs[backtest_id]
            await asyncio.shield(self._store_end(backtest_id, end, progress))

    async def _run_process(self, task: Task, progress: Progress, priority: Priority) -> BacktestEnd:
        process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, limit=LONGEST_MESSAGE)
        try:
            set_priority(process.pid, priority)
            async with asyncio.timeout(self._limits.seconds):
                return await _follow(process, task, progress)
        except TimeoutError:
            longest = timedelta(seconds=int(self._limits.seconds))
            return BacktestEnd(State.FAILED, f"it took longer than {longest} (h:mm:ss): take fewer days")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())

    async def _store_end(self, backtest_id: int, end: BacktestEnd, progress: Progress) -> None:
        try:
            # One that took less than the time between two reports has none yet.
            await report_progress(self._database, {backtest_id: progress})
            await end_backtest(
                self._database,
                backtest_id,
                end.state,
                error=end.error,
                report=end.report,
                page=end.page,
                decided=progress.decided,
            )
        except _UNAVAILABLE:
            # Without reports it counts as interrupted.
            log.warning("backtest_end_not_stored", backtest=backtest_id, state=end.state)

    async def _report(self) -> None:
        while self._runs:
            await asyncio.sleep(REPORT_SECONDS)
            known = {backtest_id: run.progress for backtest_id, run in self._runs.items()}
            try:
                continuing = await report_progress(self._database, known)
            except _UNAVAILABLE:
                continue
            for backtest_id in known.keys() - continuing:
                self.cancel(backtest_id)


async def _follow(process: Process, task: Task, progress: Progress) -> BacktestEnd:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(task) + b"\n")
    with contextlib.suppress(ConnectionError):  # it has ended: what it said, or did not say, tells
        await process.stdin.drain()
    decoder = msgspec.json.Decoder(Message)
    while line := await process.stdout.readline():
        match decoder.decode(line):
            case Started(orders):
                progress.orders = orders
            case Decided(orders):
                progress.decided += orders
            case Finished(report, page):
                return BacktestEnd(State.DONE, report=bytes(report).decode(), page=page)
            case Failed(message):
                return BacktestEnd(State.FAILED, message)
    code = await process.wait()
    return BacktestEnd(State.FAILED, f"its process ended with {code}")
