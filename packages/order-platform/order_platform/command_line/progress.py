"""The progress bar of a command whose work is counted."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from order_platform.command_line.output import ERR


def progress_bar() -> Progress:
    """A bar on a terminal's error stream that goes away at its end: what is done, of how much, and the time left."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal)
