"""`orderwatch status`: what runs, since when, and what ended meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from order_contract.business_time import business_text
from order_platform.command_line.settings_errors import read_settings
from orderwatch.console import OUT, print_json
from orderwatch.embedded.report import ProcessReport, report
from orderwatch.embedded.system import System
from orderwatch.settings import EmbeddedSettings

COLOURS = {"running": "green", "starting": "yellow", "stopping": "yellow"}


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a list of objects.")] = False,
) -> None:
    """Show each process: its state, since when, where it listens, and how often it had to be restarted.

    orderwatch status
    orderwatch status --json | jq '.[] | select(.state != "running")'
    """
    processes = asyncio.run(report(System(read_settings(EmbeddedSettings))))
    if as_json:
        print_json([asdict(process) for process in processes])
    elif not processes:
        OUT.print("Orderwatch is not up; `make up` starts it.")
    else:
        OUT.print(status_table(processes))
        for process in processes:
            if process.last_end is not None:
                OUT.print(
                    f"{process.service} ended last at {business_text(process.last_end)} ({process.last_end_reason}) "
                    f"and was restarted; see `make logs SERVICE={process.service}`."
                )
            if process.problem:
                OUT.print(f"{process.service}: {process.problem}", markup=False)


def status_table(processes: Sequence[ProcessReport]) -> Table:
    """What runs where."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("service", "state", "pid", "uptime", "restarts", "address"):
        table.add_column(title, justify="right" if title in {"pid", "uptime", "restarts"} else "left")
    for process in processes:
        colour = COLOURS.get(process.state, "red")
        table.add_row(
            process.service,
            f"[{colour}]{process.state}[/]",
            str(process.pid or ""),
            "" if process.uptime is None else str(timedelta(seconds=int(process.uptime))),
            str(process.restarts or ""),
            process.address,
        )
    return table
