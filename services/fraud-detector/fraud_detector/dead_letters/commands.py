"""The subcommands of `fraud-detector dead-letters`: list, show and redrive."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

import asyncpg
import typer
from aiokafka.errors import KafkaError

from dead_letters import repository
from dead_letters.model import DeadLetter, OriginalMessage, Redrive, RedriveState
from dead_letters.original_message import OriginalMessageReader
from dead_letters.redrive import RedriveError, Redriver, check_correction, is_label
from dead_letters.repository import DeadLetterFilters
from dead_letters.serialization import serialize_dead_letter, serialize_details
from fraud_detector.dead_letters.output import (
    Results,
    create_progress,
    dead_letters_table,
    error_table,
    print_dead_letter,
    print_results,
)
from order_contract.business_time import parse_typed_time
from order_contract.error_types import parse_error_type
from order_contract.event import BadEvent
from order_contract.origin import Origin, parse_origin
from order_contract.outcomes import MessageOutcome
from order_platform.command_line.confirmation import require_confirmation
from order_platform.command_line.database import open_connection
from order_platform.command_line.errors import ExitCode
from order_platform.command_line.operator import current_operator
from order_platform.command_line.output import (
    ERR,
    OUT,
    AsJson,
    failure,
    parse_argument,
    print_json,
)
from order_platform.command_line.settings_errors import read_settings
from order_platform.event_settings import EventSettings
from order_platform.kafka_client_log import silence_kafka_client
from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.settings import DatabaseSettings, KafkaSettings

POLL_SECONDS: Final = 0.2
_UNDECIDED: Final = {RedriveState.PUBLISHING, RedriveState.PENDING}
_NO_LIMIT: Final = 10**9

Result = TypeVar("Result")
_origin = parse_argument(parse_origin)
_error_type = parse_argument(parse_error_type)
_time = parse_argument(parse_typed_time)

app = typer.Typer(no_args_is_help=True, help="Look at messages that were rejected, and publish them again.")


class DeadLetterSettings(EventSettings, KafkaSettings, DatabaseSettings):
    """Settings of `fraud-detector dead-letters`."""


@app.command("list")
def list_(
    *,
    error: Annotated[
        str | None,
        typer.Option(parser=_error_type, metavar="TYPE", help="With this error type; docs/errors.md explains them."),
    ] = None,
    order: Annotated[str | None, typer.Option(help="With this order id.")] = None,
    state: Annotated[RedriveState | None, typer.Option(help="In this state.")] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", parser=_time, metavar="TIME", help="Recorded at or after this.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=_time, metavar="TIME", help="Recorded before this.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters and conflicts, newest first. Times without an offset are business time."""
    filters = DeadLetterFilters(error_type=error, order_id=order, state=state, recorded_from=since, recorded_to=until)
    found = _run(lambda _, database: repository.list_dead_letters(database, filters, None, limit))
    if as_json:
        for dead_letter in found:
            print_json(serialize_dead_letter(dead_letter))
    elif found:
        OUT.print(dead_letters_table(found))
        if len(found) == limit:
            ERR.print(f"These are the newest {limit}; --limit shows more.", style="dim")
    else:
        OUT.print("There are none.")


@app.command()
def show(
    origin: Annotated[Origin, typer.Argument(parser=_origin, metavar="ORIGIN", help="Such as orders/3/12345.")],
    as_json: AsJson = False,
    as_bytes: Annotated[bool, typer.Option("--bytes", help="Write the original body, and nothing else.")] = False,
) -> None:
    """Show one dead letter: what is wrong, what to do, the original message, and its redrives with their states."""

    async def read(
        settings: DeadLetterSettings, database: asyncpg.Connection
    ) -> tuple[DeadLetter, OriginalMessage | None, list[Redrive]]:
        dead_letter = await _find(database, origin)
        async with OriginalMessageReader(settings, database) as originals:
            original = await originals.find(dead_letter)
        return dead_letter, original, await repository.list_redrives(database, origin)

    dead_letter, original, redrives = _run(read)
    if as_bytes:
        if original is None:
            raise _failure(f"no topic keeps the bytes of {origin} any more")
        sys.stdout.buffer.write(original.value or b"")
    elif as_json:
        print_json(serialize_details(dead_letter, original, redrives))
    else:
        print_dead_letter(dead_letter, original, redrives)


@app.command()
def redrive(
    origins: Annotated[
        list[Origin] | None, typer.Argument(parser=_origin, metavar="[ORIGIN]...", help="Such as orders/3/12345.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that were not redriven yet.")] = False,
    error: Annotated[
        str | None,
        typer.Option(parser=_error_type, metavar="TYPE", help="All with this error type that were not redriven yet."),
    ] = None,
    body: Annotated[
        Path | None, typer.Option(help="A corrected body, for one dead letter; - is standard input.", allow_dash=True)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was redriven already, and conflicts.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: Annotated[
        str | None, typer.Option(help="The name to record the redrive under.", show_default="user@host")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the outcomes.", min=0)] = 10,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters again: their original bytes under their original key and headers, or a corrected body.

    --all and --error leave conflicts out: look at those one by one. Exits 1 when something was not redriven.
    """
    if (bool(origins) + everything + (error is not None)) != 1:
        raise _failure("say which: ORIGIN ..., --error TYPE or --all", ExitCode.USAGE)
    if body is not None and len(origins or ()) != 1:
        raise _failure("--body corrects one letter: give its ORIGIN", ExitCode.USAGE)
    correction = _read_correction(body, origins[0]) if body is not None and origins else None
    redriven_by = by or current_operator()

    async def redrive_chosen(settings: DeadLetterSettings, database: asyncpg.Connection) -> Results:
        if origins:
            chosen = [await _find(database, origin) for origin in origins]
        else:
            waiting = await _list_waiting(database, error)
            chosen = [each for each in waiting if again or each.kind is not MessageOutcome.CONFLICT]
            if len(chosen) < len(waiting):
                ERR.print(f"{len(waiting) - len(chosen)} conflicts are left out; --again takes them in.")
            if chosen and not yes:
                ERR.print(error_table(chosen))
                question = f"Publish {len(chosen):,} messages again?"
                require_confirmation("fraud-detector", question, yes=yes, unchanged="nothing was published")
        results: Results = {}
        if not chosen:
            return results
        with create_progress(quiet=as_json) as progress:
            task = progress.add_task("redriving", total=len(chosen))
            async with Redriver(settings, database, redriven_by) as redriver:
                async for dead_letter, result in redriver.redrive_each(chosen, correction, again=again):
                    results[dead_letter.origin] = result, None
                    progress.advance(task)
            undecided = [origin for origin, (result, _) in results.items() if isinstance(result, Origin)]
            progress.reset(task, description="waiting for the outcomes", total=len(undecided))
            deadline = asyncio.get_running_loop().time() + wait
            while undecided:
                for origin, state in (await repository.read_states(database, undecided)).items():
                    results[origin] = results[origin][0], state
                undecided = [origin for origin in undecided if results[origin][1] in _UNDECIDED]
                progress.update(task, completed=len(results) - len(undecided))
                if not undecided or asyncio.get_running_loop().time() >= deadline:
                    break
                await asyncio.sleep(POLL_SECONDS)
        return results

    results = _run(redrive_chosen)
    print_results(results, as_json=as_json)
    if any(isinstance(result, RedriveError) for result, _ in results.values()):
        raise typer.Exit(ExitCode.NEGATIVE)


async def _find(database: asyncpg.Connection, origin: Origin) -> DeadLetter:
    found = await repository.find_dead_letter(database, origin)
    if found is None:
        raise _failure(f"no dead letter has the origin {origin}; `fraud-detector dead-letters list` shows them")
    return found


async def _list_waiting(database: asyncpg.Connection, error_type: str | None) -> list[DeadLetter]:
    """The dead letters and conflicts that were not published again as far as is known, oldest first."""
    found: list[DeadLetter] = []
    for state in (RedriveState.UNCONFIRMED, RedriveState.OPEN):
        filters = DeadLetterFilters(error_type=error_type, state=state)
        found += await repository.list_dead_letters(database, filters, None, _NO_LIMIT)
    return sorted(found, key=lambda each: (each.recorded_at, each.origin))


def _read_correction(body: Path, origin: Origin) -> bytes:
    try:
        value = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    except OSError as error:
        raise _failure(f"{body} cannot be read: {error.strerror}", ExitCode.USAGE) from None
    value = value.strip()
    settings = read_settings(DeadLetterSettings)
    try:
        check_correction(value, origin, settings, settings.event_decoder())
    except BadEvent as error:
        kind = "label" if is_label(origin, settings) else "order event"
        raise _failure(f"{body} is not a valid {kind}: {error} ({error.error_type})") from None
    return value


def _run(work: Callable[[DeadLetterSettings, asyncpg.Connection], Awaitable[Result]]) -> Result:
    """Run `work` with a database connection; the command fails when database or broker are unavailable."""
    silence_kafka_client()
    settings = read_settings(DeadLetterSettings)

    async def connect_and_work() -> Result:
        async with open_connection(settings.database_url.get_secret_value()) as connection:
            return await work(settings, connection)

    try:
        return asyncio.run(connect_and_work())
    except KafkaError as error:
        reason = f"the request to Kafka at ORDERWATCH_KAFKA={settings.kafka} failed: {error!r}"
        raise _failure(reason, ExitCode.UNAVAILABLE) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise _failure(
            f"the database role of ORDERWATCH_DATABASE_URL may not do this: {error}. Redriving is the operator's: "
            "`. .orderwatch/admin.env`, or docs/security.md"
        ) from error
    except asyncpg.UndefinedTableError as error:
        raise _failure("the database is not migrated: run `orderwatch migrate`", ExitCode.UNAVAILABLE) from error
    except DATABASE_ERRORS as error:
        reason = (
            f"Postgres at ORDERWATCH_DATABASE_URL, or Kafka, does not respond: {str(error) or type(error).__name__}"
        )
        raise _failure(reason, ExitCode.UNAVAILABLE) from error


def _failure(message: str, code: ExitCode = ExitCode.NEGATIVE) -> typer.Exit:
    return failure("fraud-detector", message, code)
