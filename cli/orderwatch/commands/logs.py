"""`orderwatch logs`: what the processes print."""

import contextlib
import time
from collections.abc import Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from order_platform.command_line.settings_errors import read_settings
from orderwatch.console import OUT, print_json
from orderwatch.embedded.layout import Layout
from orderwatch.errors import NotUpError, OrderwatchError
from orderwatch.log_files import Follower, last_lines
from orderwatch.settings import EmbeddedSettings

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")


def logs(
    service: Annotated[str | None, typer.Argument(help="One of them, such as detector; all when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines of each.", min=0)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: an object a line.")] = False,
) -> None:
    """Show the last lines that the processes printed; `supervisor` tells what ended and was restarted.

    orderwatch logs
    orderwatch logs detector --follow
    orderwatch logs supervisor --lines 100
    """
    layout = Layout(read_settings(EmbeddedSettings).home)
    files = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    if not files:
        raise NotUpError(f"there are no logs in {layout.logs}", "Run `make up`.")
    if service is not None:
        if service not in files:
            raise OrderwatchError(f"there is no log of {service!r}", f"There are: {', '.join(files)}.")
        files = {service: files[service]}
    show = _print_as_json if as_json else partial(_print, _prefixes(files))
    followers = {name: Follower(path) for name, path in files.items()}
    for name, path in files.items():
        for line in last_lines(path, lines):
            show(name, line)
    with contextlib.suppress(KeyboardInterrupt):
        while follow:
            for name, follower in followers.items():
                for line in follower.read():
                    show(name, line)
            time.sleep(0.2)


def _prefixes(files: dict[str, Path]) -> dict[str, Text]:
    if len(files) == 1:
        return dict.fromkeys(files, Text())
    width = max(map(len, files))
    return {name: Text(f"{name:<{width}} | ", colour) for name, colour in zip(files, cycle(COLOURS), strict=False)}


def _print(prefixes: Mapping[str, Text], service: str, line: str) -> None:
    OUT.print(prefixes[service] + Text(line), soft_wrap=True)


def _print_as_json(service: str, line: str) -> None:
    print_json({"service": service, "line": line})
