"""Output of commands: consoles for people, a JSON document per line for programs, and failures."""

import sys
from collections.abc import Callable
from typing import Annotated, TypeVar

import orjson
import typer
from rich.console import Console

from order_platform.command_line.errors import ExitCode
from order_platform.command_line.run import print_error

Result = TypeVar("Result")

# Elsewhere than on a terminal, tables are as wide as they need to be: a log or a pipe does not wrap.
OUT = Console(highlight=False)
if not OUT.is_terminal:
    OUT = Console(highlight=False, width=240)
ERR = Console(highlight=False, stderr=True, soft_wrap=True)

AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON document per line on standard output.")]
"""The option `--json`."""


def print_json(document: object) -> None:
    """Print one JSON document on a line of its own, at once."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_UTC_Z).decode() + "\n")
    sys.stdout.flush()


def parse_argument(parse: Callable[[str], Result]) -> Callable[[str], Result]:
    """A parser of an argument or option: what `parse` refuses with ValueError is a usage error."""

    def parse_or_refuse(text: str) -> Result:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parse_or_refuse


def failure(program: str, message: str, code: ExitCode = ExitCode.NEGATIVE) -> typer.Exit:
    """Print why the command failed; returns the exception that ends it."""
    print_error(program, message)
    return typer.Exit(code)
