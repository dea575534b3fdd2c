"""Progress of a command: a bar on a terminal, lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from order_batch.transform.log_lines import NodeEvent
from order_platform.command_line.output import ERR


class Steps:
    """The steps of a command; calling it names the step that begins."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress = progress
        self._total = total
        self._begun = 0
        self._steps = progress.add_task("", total=total)
        self._nodes: TaskID | None = None

    def __call__(self, name: str) -> None:
        """The step before has ended; this one begins."""
        self._progress.update(self._steps, completed=self._begun, description=name)
        self._begun += 1
        if not ERR.is_terminal:
            ERR.print(f"[{self._begun}/{self._total}] {name}" if self._total else name, markup=False)

    def show_node(self, event: NodeEvent) -> None:
        """Show what dbt is at, below the step, and a line for what failed."""
        if not ERR.is_terminal:
            if event.ended:
                ERR.print(f"  {event.line()}", markup=False)
            return
        if event.failed:
            self._progress.console.print(event.line(), markup=False, style="red")
        if self._nodes is None:
            self._nodes = self._progress.add_task("", total=event.total)
        done = event.index if event.ended else event.index - 1
        self._progress.update(self._nodes, completed=done, description=f"  {event.kind} {event.name}")

    def finish(self) -> None:
        """All steps have ended."""
        total = self._total or self._begun
        self._progress.update(self._steps, completed=total, total=total, description="done")
        if self._nodes is not None:
            self._progress.remove_task(self._nodes)


@contextmanager
def show_progress(steps: int | None) -> Iterator[Steps]:
    """A bar on a terminal, lines elsewhere; without a number of steps it only names them."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERR, disable=not ERR.is_terminal) as progress:
        shown = Steps(progress, steps)
        yield shown
        shown.finish()


@contextmanager
def show_bar(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over a number of things; the yielded function counts some of them as done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, disable=not ERR.is_terminal) as progress:
        task = progress.add_task(name, total=total)
        yield lambda count: progress.advance(task, count)
