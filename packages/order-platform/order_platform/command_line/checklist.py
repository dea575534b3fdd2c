"""Checklist of the steps of a long command: live on a terminal, one line per step elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Note = Callable[[str], None]
"""Shows the progress of a step."""


class Checklist:
    """Steps ticked off as they are done, several at a time. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Progress(
                SpinnerColumn(finished_text="[green]✓"),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.fields[note]}"),
                console=console,
            )
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def step(self, title: str) -> Iterator[Note]:
        """A step that is done when the block ends without an error."""
        if self._live is None:
            began = time.monotonic()
            yield lambda _note: None
            self._console.print(f"{title}: {time.monotonic() - began:.1f} s", markup=False)
        else:
            live, task = self._live, self._live.add_task(title, total=1, note="")
            yield lambda note: live.update(task, note=note)
            live.update(task, completed=1, note="")
