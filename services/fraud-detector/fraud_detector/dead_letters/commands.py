"""`fraud-detector dead-letters`: list and show; `redrive` has a file of its own."""

import sys
from datetime import datetime
from typing import Annotated

import typer

from dead_letters.model import Letter, Original, Redrive, State
from dead_letters.repository import LetterCriteria
from dead_letters.serialization import letter_details, letter_object
from fraud_detector.dead_letters.command_line import AsJson, error_type, fail, moment, origin, print_json, run
from fraud_detector.dead_letters.desk import Desk
from fraud_detector.dead_letters.redrive import redrive
from fraud_detector.dead_letters.report import (
    ERR,
    OUT,
    letters_table,
    print_letter,
)
from order_contract.origin import Origin

app = typer.Typer(no_args_is_help=True, help="Look at messages that were refused, and publish them again.")
app.command()(redrive)


@app.command("list")
def list_(
    *,
    error: Annotated[
        str | None,
        typer.Option(parser=error_type, metavar="TYPE", help="Of this error type; docs/errors.md explains them."),
    ] = None,
    order: Annotated[str | None, typer.Option(help="Of this order.")] = None,
    state: Annotated[State | None, typer.Option(help="That became this.")] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", parser=moment, metavar="TIME", help="Recorded at or after this.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=moment, metavar="TIME", help="Recorded before this.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters and conflicts, newest first. Times without an offset are business time."""
    criteria = LetterCriteria(error_type=error, order_id=order, state=state, recorded_from=since, recorded_to=until)
    letters = run(lambda desk: desk.letters(criteria, limit))
    if as_json:
        print_json(map(letter_object, letters))
    elif letters:
        OUT.print(letters_table(letters))
        if len(letters) == limit:
            ERR.print(f"These are the newest {limit}; --limit shows more.", style="dim")
    else:
        OUT.print("There are none.")


@app.command()
def show(
    letter: Annotated[Origin, typer.Argument(parser=origin, metavar="ORIGIN", help="Such as orders/3/12345.")],
    as_json: AsJson = False,
    as_bytes: Annotated[bool, typer.Option("--bytes", help="Write the original body, and nothing else.")] = False,
) -> None:
    """Show one dead letter: what is wrong, what to do, the original message, and what became of its redrives."""

    async def look(desk: Desk) -> tuple[Letter, Original | None, list[Redrive]]:
        found = await desk.letter(letter)
        return found, await desk.original(found), await desk.redrives(found)

    found, original, redrives = run(look)
    if as_bytes:
        if original is None:
            fail(f"the bytes of {letter} are on no topic any more")
        sys.stdout.buffer.write(original.value or b"")
    elif as_json:
        print_json([letter_details(found, original, redrives)])
    else:
        print_letter(found, original, redrives)
