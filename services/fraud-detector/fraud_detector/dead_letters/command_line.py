"""What the commands have in common: settings, arguments, output for programs, and failing in one line."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Annotated, NoReturn, TypeVar

import orjson
import typer

from fraud_detector.dead_letters.desk import Desk, DeskError, DeskSettings, open_desk
from fraud_detector.dead_letters.report import ERR
from order_contract.business_time import parse_typed_time
from order_contract.error_types import parse_error_type
from order_contract.origin import Origin, parse_origin
from order_platform.command_line.settings_errors import read_settings

Result = TypeVar("Result")


def origin(text: str) -> Origin:
    """An origin as it is typed."""
    try:
        return parse_origin(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def error_type(text: str) -> str:
    """An error type as it is typed."""
    try:
        return parse_error_type(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def moment(text: str) -> datetime:
    """A time as it is typed; without an offset it is business time."""
    try:
        return parse_typed_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


AsJson = Annotated[bool, typer.Option("--json", help="For programs: one object a line.")]


def settings() -> DeskSettings:
    """From the environment."""
    return read_settings(DeskSettings)


def run(work: Callable[[Desk], Awaitable[Result]]) -> Result:
    """Work at a desk; ends the command in one line when that is not possible."""
    # What aiokafka has to say about a broker that is away, is said once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    given = settings()

    async def at_desk() -> Result:
        async with open_desk(given) as desk:
            return await work(desk)

    try:
        return asyncio.run(at_desk())
    except DeskError as error:
        fail(str(error))


def print_json(documents: Iterable[object]) -> None:
    """A document a line."""
    for document in documents:
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_UTC_Z).decode() + "\n")


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command."""
    ERR.print(f"fraud-detector: {message}", style="bold red", markup=False)
    raise typer.Exit(code)
