"""Confirmation on a terminal before a command changes what cannot be restored."""

import sys

import typer

from order_platform.command_line.errors import ExitCode
from order_platform.command_line.output import failure


def require_confirmation(program: str, question: str, *, yes: bool, unchanged: str = "nothing was changed") -> None:
    """Ask the question on the terminal, unless `yes`; returns only when it is confirmed.

    Without a terminal the command ends with a usage error that starts with `unchanged` and names the option --yes.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise failure(program, f"{unchanged}: confirmation needs a terminal; add --yes to do without", ExitCode.USAGE)
    typer.confirm(question, abort=True, err=True)
