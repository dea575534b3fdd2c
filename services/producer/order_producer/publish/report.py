"""Reports of progress, to a terminal or to the log."""

from collections.abc import Callable
from time import monotonic
from typing import Protocol, Self

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from order_producer.publish.sink import Counts

log = structlog.get_logger()

Share = Callable[[Counts], float | None]
"""The share of the work that is done, 0 to 1; None if the work has no end."""


class Report(Protocol):
    """Shows counts from time to time. Use as a context manager."""

    every: float
    """Seconds between two updates."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...

    def update(self, counts: Counts) -> None:
        """Show the current counts."""

    def finish(self, counts: Counts) -> None:
        """Show the final counts."""


class LogReport:
    """The Report for logs: one line every few seconds."""

    every = 10.0

    def __init__(self) -> None:
        self._started = self._last = monotonic()
        self._acknowledged = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def update(self, counts: Counts) -> None:
        now = monotonic()
        rate = (counts.acknowledged - self._acknowledged) / (now - self._last)
        self._acknowledged, self._last = counts.acknowledged, now
        log.info(
            "publishing", sent=counts.sent, acknowledged=counts.acknowledged, failed=counts.failed,
            per_second=round(rate, 1),
        )  # fmt: skip

    def finish(self, counts: Counts) -> None:
        seconds = monotonic() - self._started
        log.info(
            "finished", sent=counts.sent, acknowledged=counts.acknowledged, failed=counts.failed,
            seconds=round(seconds, 3),
        )  # fmt: skip


class TerminalReport:
    """The Report for a terminal: a progress bar on stderr, and a sentence at the end."""

    every = 0.25

    def __init__(self, share: Share, console: Console | None = None) -> None:
        self._share = share
        self._started = monotonic()
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, text="connecting")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._progress.stop()

    def update(self, counts: Counts) -> None:
        share = self._share(counts)
        rate = counts.acknowledged / max(monotonic() - self._started, 0.001)
        text = f"{counts.sent:,} sent, {counts.acknowledged:,} acknowledged, {rate:,.0f}/s"
        if counts.failed:
            text += f", [red]{counts.failed:,} failed"
        self._progress.update(self._task, completed=share or 0.0, total=None if share is None else 1.0, text=text)
        self._progress.refresh()

    def finish(self, counts: Counts) -> None:
        seconds = monotonic() - self._started
        self._progress.stop()
        mark = "[green]✓[/]" if counts.failed == 0 else "[red]✗[/]"
        self._console.print(
            f"{mark} {counts.sent:,} sent, {counts.acknowledged:,} acknowledged, {counts.failed:,} failed "
            f"in {seconds:,.1f} s",
            highlight=False,
        )
