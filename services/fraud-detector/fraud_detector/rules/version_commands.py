"""The subcommands of `fraud-detector rules` for versions in Postgres: publish, rollback, versions, show and active."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.table import Table

from decision_engine.example_runner import run_examples
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset, parse_ruleset
from fraud_detector.settings import RulesetSettings
from order_contract.business_time import business_text
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.command_line.operator import current_operator
from order_platform.command_line.output import ERR, OUT, AsJson, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.ruleset_versions import (
    Action,
    Activation,
    Connection,
    activate,
    find_activated,
    read_activations,
    read_active_version,
    read_content,
)
from order_platform.settings import DatabaseSettings

MAX_MESSAGE: Final = 1_000
_NONE_ACTIVE: Final = (
    "no ruleset is active yet: the first detector that starts activates the default one, or publish a file"
)

Result = TypeVar("Result")
Message = Annotated[str | None, typer.Option("--message", "-m", help="Why, for those who read `rules versions` later.")]
Author = Annotated[str | None, typer.Option(help="Who; the user and the machine by default.", show_default=False)]
Version = Annotated[str, typer.Argument(help="A version, or its first characters.")]


def publish(
    file: Annotated[Path, typer.Argument(help="YAML file of rules.")],
    *,
    message: Message = None,
    author: Author = None,
) -> None:
    """Check a rule file, run its examples, and make it the active ruleset: detectors switch to it within 2 seconds.

    Files that it includes are stored with it. Nothing is published when an example is not as expected. Exits 0 when the
    ruleset is active, also when it was before.
    """
    ruleset = _load(file)
    failed = [result for result in run_examples(ruleset) if not result.as_expected]
    if failed:
        places = "; ".join(f"{file}:{each.example.line}: rule '{each.rule.id}'" for each in failed[:5])
        raise CommandError(
            f"{len(failed)} examples are not as expected: {places}",
            f"Nothing was published. fraud-detector rules test {file} shows what is different.",
        )
    _require_same_content(ruleset, file)
    settings = read_settings(RulesetSettings)
    try:
        add_marketplace_pack(ruleset, settings.marketplace_pack)
    except RulesetError as error:
        raise CommandError(str(error), "Nothing was published.") from None
    who, why = _author(author), _message(message)

    async def run(connection: Connection) -> str | None:
        return await activate(
            connection, ruleset.version, ruleset.content, action=Action.PUBLISH, author=who, message=why
        )

    before = _execute(run)
    if before == ruleset.version:
        OUT.print(f"{ruleset.version} is active already; nothing has changed")
    else:
        OUT.print(f"{ruleset.version} is active" + (f", instead of {before}" if before else ""))
    _mention_file_setting(settings)


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="A version that was active, or its first characters; else the previous one.")
    ] = None,
    *,
    message: Message = None,
    author: Author = None,
) -> None:
    """Make an earlier version active again: the one before the active one, or the one that is named.

    Without a version, running it twice makes the first one active again. Exits 1 when the version does not exist.
    """

    who, why = _author(author), _message(message)
    settings = read_settings(RulesetSettings)

    async def run(connection: Connection) -> tuple[str, str | None]:
        active = await read_active_version(connection)
        chosen = await _previous(connection, active) if version is None else await _find(connection, version)
        content = await read_content(connection, chosen)
        assert content is not None  # activations refer to stored versions
        try:
            ruleset = parse_ruleset(content, chosen)
        except RulesetError as error:
            raise CommandError(
                f"version {chosen} is not accepted by this release: {error}", "The active version stays."
            ) from None
        try:
            add_marketplace_pack(ruleset, settings.marketplace_pack)
        except RulesetError as error:
            raise CommandError(str(error), "The active version stays.") from None
        before = await activate(connection, chosen, content, action=Action.ROLLBACK, author=who, message=why)
        return chosen, before

    chosen, before = _execute(run)
    if before == chosen:
        OUT.print(f"{chosen} is active already; nothing has changed")
    else:
        OUT.print(f"{chosen} is active again, instead of {before}")
    _mention_file_setting(settings)


def versions(
    *,
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List which version became active when, by whom and why; newest first."""
    found = _execute(lambda connection: read_activations(connection, most))
    if as_json:
        for number, each in enumerate(found):
            print_json(_as_document(each, is_active=number == 0))
        return
    if not found:
        OUT.print(_NONE_ACTIVE)
        return
    table = Table("version", "", "since", "by", "how", "message")
    for number, each in enumerate(found):
        active = "active" if number == 0 else ""
        since = business_text(each.activated_at)
        table.add_row(each.version, active, since, each.author, each.action.value, each.message or "")
    OUT.print(table)


def show(version: Version) -> None:
    """Print the rules of a version as YAML; exits 1 when it was never active."""

    async def run(connection: Connection) -> str | None:
        return await read_content(connection, await _find(connection, version))

    typer.echo(_execute(run))


def active(*, as_json: AsJson = False) -> None:
    """Say which version is active, since when and by whom; exits 1 when none is.

    With ORDERWATCH_MARKETPLACE_PACK, also the version that decisions are recorded with: of the ruleset with the pack.
    """

    async def read(connection: Connection) -> tuple[Activation, str | None] | None:
        activations = await read_activations(connection, 1)
        return (activations[0], await read_content(connection, activations[0].version)) if activations else None

    settings = read_settings(RulesetSettings)
    found = _execute(read)
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
        if combined is not None:
            OUT.print(f"With the marketplace pack ({settings.marketplace_pack}), decisions have version {combined}.")
    _mention_file_setting(settings)


def _version_with_pack(content: str, version: str, mode: PackMode) -> str | None:
    """The version of a ruleset with the marketplace pack; None without the pack."""
    if mode is PackMode.OFF:
        return None
    try:
        return add_marketplace_pack(parse_ruleset(content, f"version {version}"), mode).version
    except RulesetError as error:
        raise CommandError(str(error)) from None


def add_version_commands(app: typer.Typer) -> None:
    """Add the subcommands to `fraud-detector rules`."""
    for command in (publish, rollback, versions, show, active):
        app.command()(command)


def _execute(run: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The result of `run` on a connection to the database."""
    return run_on_database(read_settings(DatabaseSettings), run)


def _load(file: Path) -> Ruleset:
    try:
        return load_ruleset(file)
    except RulesetError as error:
        raise UsageError(str(error), "Nothing was published.") from None


def _require_same_content(ruleset: Ruleset, file: Path) -> None:
    """Refuse what a detector could not read from the database as it was read from the files."""
    try:
        stored = parse_ruleset(ruleset.content, f"{file} with what it includes")
    except RulesetError as error:
        raise UsageError(str(error), "Nothing was published.") from None
    if stored.version != ruleset.version:
        raise CommandError(f"{file}: its stored content would be version {stored.version}, not {ruleset.version}")


async def _previous(connection: Connection, active: str | None) -> str:
    found = [each for each in await find_activated(connection, "", 2) if each != active]
    if not found:
        raise CommandError("no earlier version to return to", "fraud-detector rules versions lists them.")
    return found[0]


async def _find(connection: Connection, prefix: str) -> str:
    """The version that begins so, of those that were active."""
    found = await find_activated(connection, prefix)
    if len(found) == 1:
        return found[0]
    shown = prefix[:64]
    if found:
        raise CommandError(f"{len(found)} versions begin with '{shown}': {', '.join(found)}", "Give more characters.")
    raise CommandError(f"no version '{shown}' was ever active", "fraud-detector rules versions lists them.")


def _author(author: str | None) -> str:
    return current_operator() if author is None else _text(author, "--author")


def _message(message: str | None) -> str | None:
    return None if message is None else _text(message, "--message")


def _text(text: str, option: str) -> str:
    if not text.strip() or len(text) > MAX_MESSAGE or "\0" in text:
        raise UsageError(f"{option} is text of at most {MAX_MESSAGE:,} characters", "Nothing has changed.")
    return text.strip()


def _as_document(activation: Activation, *, is_active: bool) -> dict[str, object]:
    return {
        "version": activation.version,
        "active": is_active,
        "action": activation.action,
        "author": activation.author,
        "message": activation.message,
        "activated_at": activation.activated_at,
    }


def _mention_file_setting(settings: RulesetSettings) -> None:
    """Detectors with this setting do not follow the active version."""
    if settings.rules is not None:
        ERR.print(f"ORDERWATCH_RULES is set: a detector with it decides by {settings.rules}", markup=False)
