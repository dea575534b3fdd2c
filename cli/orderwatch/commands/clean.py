"""`orderwatch clean`: throw the embedded system's data away."""

import shutil
import sys
from typing import Annotated

import typer

from order_platform.command_line.settings_errors import read_settings
from orderwatch.commands.down import stop
from orderwatch.console import OUT
from orderwatch.embedded.system import System
from orderwatch.errors import OrderwatchError
from orderwatch.settings import EmbeddedSettings


def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Stop it first when it runs, without asking.")] = False,
) -> None:
    """Delete all orders, decisions, logs and passwords of this checkout's embedded system."""
    with System.to_change(read_settings(EmbeddedSettings)) as system:
        if system.running:
            if not yes and not (sys.stdin.isatty() and typer.confirm("Orderwatch is up. Stop it and delete its data?")):
                raise OrderwatchError("Orderwatch is up; nothing was deleted", "Run `make down` first, or add --yes.")
            stop(system)
        for path in system.layout.everything():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        home = system.layout.home
        if home.exists() and not any(home.iterdir()):
            home.rmdir()
    OUT.print(f"Everything of it in {home} is gone.")
