"""`orderwatch logs`: what the processes print."""

import contextlib
import time
from itertools import cycle
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from orderwatch.console import OUT
from orderwatch.embedded.layout import Layout
from orderwatch.errors import NotUpError, OrderwatchError
from orderwatch.log_files import Follower, last_lines
from orderwatch.settings import EmbeddedSettings

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(logs)


def logs(
    service: Annotated[str | None, typer.Argument(help="One of them, such as detector; all when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines of each.", min=0)] = 20,
) -> None:
    """Show the last lines that the processes printed; `supervisor` tells what ended and was restarted."""
    layout = Layout(EmbeddedSettings().home)
    files = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    if not files:
        raise NotUpError(f"there are no logs in {layout.logs}", "Run `make up`.")
    if service is not None:
        if service not in files:
            raise OrderwatchError(f"there is no log of {service!r}", f"There are: {', '.join(files)}.")
        files = {service: files[service]}
    prefixes = _prefixes(files)
    followers = {name: Follower(path) for name, path in files.items()}
    for name, path in files.items():
        for line in last_lines(path, lines):
            _print(prefixes[name], line)
    with contextlib.suppress(KeyboardInterrupt):
        while follow:
            for name, follower in followers.items():
                for line in follower.read():
                    _print(prefixes[name], line)
            time.sleep(0.2)


def _prefixes(files: dict[str, Path]) -> dict[str, Text]:
    if len(files) == 1:
        return dict.fromkeys(files, Text())
    width = max(map(len, files))
    return {name: Text(f"{name:<{width}} | ", colour) for name, colour in zip(files, cycle(COLOURS), strict=False)}


def _print(prefix: Text, line: str) -> None:
    OUT.print(prefix + Text(line), soft_wrap=True)
