"""The subcommands of `fraud-detector rules` for versions in Postgres."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import typer
from rich.table import Table

from decision_engine.pack_mode import PackMode
from decision_engine.rollout import EVERYONE
from decision_engine.ruleset import RulesetError, parse_ruleset
from fraud_detector.rules.draft_commands import read_author, read_text
from fraud_detector.settings import RulesetSettings
from order_backtests.publication.publishing import add_pack, publish_ruleset, roll_back
from order_backtests.publication.stored_versions import find_version, read_ruleset
from order_contract.business_time import business_text
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import CommandError
from order_platform.command_line.output import ERR, OUT, AsJson, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.ruleset_versions import (
    Activation,
    Connection,
    read_activations,
    read_content,
    read_pointer,
)
from order_platform.settings import DatabaseSettings

_NONE_ACTIVE: Final = (
    "no ruleset is active yet: the first detector that starts activates the default one, or publish a file"
)

Result = TypeVar("Result")
Message = Annotated[str | None, typer.Option("--message", "-m", help="Why, for those who read `rules versions` later.")]
Author = Annotated[str | None, typer.Option(help="Who; the user and the machine by default.", show_default=False)]
Version = Annotated[str, typer.Argument(help="A version, or its first characters.")]


def rollout(
    percent: Annotated[int, typer.Argument(min=1, max=EVERYONE, help="Percent of the users; 100 ends the roll-out.")],
    *,
    message: Message = None,
    author: Author = None,
) -> None:
    """Let the candidate of the present roll-out decide the orders of so many percent of the users; 100 makes it active.

    Each user is always on the same side of a percentage, and a higher one only adds users. Exits 1 without a roll-out,
    which begins with `rules publish FILE --percent N`.
    """
    who, why = read_author(author), read_text(message, "--message")
    settings = read_settings(RulesetSettings)

    async def run(connection: Connection) -> tuple[RulesetPointer | None, RulesetPointer]:
        pointer = await read_pointer(connection)
        candidate = None if pointer is None else pointer.candidate
        if candidate is None:
            raise CommandError(
                "no version is being rolled out", "fraud-detector rules publish FILE --percent N begins it."
            )
        ruleset = await read_ruleset(connection, candidate)
        return await publish_ruleset(
            connection, ruleset, percent, pack=settings.marketplace_pack, author=who, message=why
        )

    print_change(*execute(run))
    mention_file_setting(settings)


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="A version that was active, or its first characters; else the previous one.")
    ] = None,
    *,
    message: Message = None,
    author: Author = None,
) -> None:
    """Make an earlier version active again: the one before the active one, or the one that is named.

    During a roll-out without a version: end it, so that the active version decides all orders. Else running it twice
    without a version makes the first one active again. Exits 1 when the version does not exist.
    """

    who, why = read_author(author), read_text(message, "--message")
    settings = read_settings(RulesetSettings)

    async def run(connection: Connection) -> tuple[RulesetPointer | None, RulesetPointer]:
        return await roll_back(connection, version, pack=settings.marketplace_pack, author=who, message=why)

    print_change(*execute(run), again=" again")
    mention_file_setting(settings)


def versions(
    *,
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List which version became active when, by whom and why; newest first."""
    found = execute(lambda connection: read_activations(connection, most))
    if as_json:
        for number, each in enumerate(found):
            print_json(_as_document(each, is_active=number == 0))
        return
    if not found:
        OUT.print(_NONE_ACTIVE)
        return
    table = Table("version", "", "candidate", "since", "by", "how", "message")
    for number, each in enumerate(found):
        active = "active" if number == 0 else ""
        since = business_text(each.activated_at)
        table.add_row(
            each.version, active, _rollout(each.pointer), since, each.author, each.action.value, each.message or ""
        )
    OUT.print(table)


def show(version: Version) -> None:
    """Print the rules of a version as YAML; exits 1 when it was never active."""

    async def run(connection: Connection) -> str | None:
        return await read_content(connection, await find_version(connection, version))

    typer.echo(execute(run))


def active(*, as_json: AsJson = False) -> None:
    """Say which version is active, since when and by whom; exits 1 when none is.

    With ORDERWATCH_MARKETPLACE_PACK, also the version that decisions are recorded with: of the ruleset with the pack.
    """

    async def read(connection: Connection) -> tuple[Activation, str | None] | None:
        activations = await read_activations(connection, 1)
        return (activations[0], await read_content(connection, activations[0].version)) if activations else None

    settings = read_settings(RulesetSettings)
    found = execute(read)
    if found is None:
        raise CommandError(_NONE_ACTIVE)
    activation, content = found
    combined = None if content is None else _version_with_pack(content, activation.version, settings.marketplace_pack)
    if as_json:
        print_json({**_as_document(activation, is_active=True), "version_with_pack": combined})
    else:
        why = f": {activation.message}" if activation.message else ""
        since = business_text(activation.activated_at)
        OUT.print(
            f"{activation.version} since {since} ({activation.action.value} by {activation.author}{why})", markup=False
        )
        if activation.pointer.candidate is not None:
            OUT.print(f"Candidate: {_rollout(activation.pointer)} of the users")
        if combined is not None:
            OUT.print(f"With the marketplace pack ({settings.marketplace_pack}), decisions have version {combined}.")
    mention_file_setting(settings)


def _version_with_pack(content: str, version: str, mode: PackMode) -> str | None:
    """The version of a ruleset with the marketplace pack; None without the pack."""
    if mode is PackMode.OFF:
        return None
    try:
        ruleset = parse_ruleset(content, f"version {version}")
    except RulesetError as error:
        raise CommandError(str(error)) from None
    return add_pack(ruleset, mode, "").version


def add_version_commands(app: typer.Typer) -> None:
    """Add the subcommands to `fraud-detector rules`."""
    for command in (rollout, rollback, versions, show, active):
        app.command()(command)


def execute(run: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The result of `run` on a connection to the database."""
    return run_on_database(read_settings(DatabaseSettings), run)


def print_change(before: RulesetPointer | None, after: RulesetPointer, again: str = "") -> None:
    """Say what is active now, and what it replaces."""
    if before == after:
        OUT.print(f"{_described(after)} already; nothing has changed")
    elif after.candidate is not None:
        OUT.print(f"{_described(after)}; {after.version} applies to all other users")
    elif before is not None and before.version == after.version:
        OUT.print(f"The roll-out of {before.candidate} has ended; {after.version} applies to all users")
    else:
        OUT.print(f"{_described(after)}{again}" + (f", instead of {before.version}" if before else ""))


def _described(pointer: RulesetPointer) -> str:
    if pointer.candidate is None:
        return f"{pointer.version} is active"
    return f"{pointer.candidate} decides for {pointer.percent}% of the users"


def _rollout(pointer: RulesetPointer) -> str:
    return "" if pointer.candidate is None else f"{pointer.candidate} for {pointer.percent}%"


def _as_document(activation: Activation, *, is_active: bool) -> dict[str, object]:
    return {
        "version": activation.version,
        "candidate": activation.pointer.candidate,
        "percent": activation.pointer.percent,
        "active": is_active,
        "action": activation.action,
        "author": activation.author,
        "message": activation.message,
        "activated_at": activation.activated_at,
    }


def mention_file_setting(settings: RulesetSettings) -> None:
    """Detectors with this setting do not follow the active version."""
    if settings.rules is not None:
        ERR.print(f"ORDERWATCH_RULES is set: a detector with it decides by {settings.rules}", markup=False)
