"""The subcommands of `fraud-detector rules` for versions in Postgres."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.table import Table

from decision_engine.example_runner import run_examples
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.rollout import EVERYONE, DecidingRulesets, Rollout
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset, parse_ruleset
from fraud_detector.rules.draft_commands import execute_on_drafts, parse_draft, read_author, read_text
from fraud_detector.rules.publication_check import PublicationSettings, as_recorded, check_publication
from fraud_detector.settings import RulesetSettings
from fraud_detector.stored_versions import find_version, read_ruleset
from order_contract.business_time import business_text
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.command_line.output import ERR, OUT, AsJson, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.ruleset_drafts import Draft, find_draft
from order_platform.postgres.ruleset_versions import (
    Action,
    Activation,
    Connection,
    RolloutError,
    activate,
    find_activated,
    read_activations,
    read_active_version,
    read_content,
    read_pointer,
    roll_out,
)
from order_platform.settings import DatabaseSettings

_NONE_ACTIVE: Final = (
    "no ruleset is active yet: the first detector that starts activates the default one, or publish a file"
)

Result = TypeVar("Result")
Message = Annotated[str | None, typer.Option("--message", "-m", help="Why, for those who read `rules versions` later.")]
Author = Annotated[str | None, typer.Option(help="Who; the user and the machine by default.", show_default=False)]
Version = Annotated[str, typer.Argument(help="A version, or its first characters.")]
Percent = Annotated[
    int | None,
    typer.Option(min=1, max=EVERYONE - 1, help="Only for so many percent of the users.", show_default=False),
]


def publish(
    file: Annotated[Path | None, typer.Argument(help="YAML file of rules.", show_default=False)] = None,
    *,
    draft: Annotated[str | None, typer.Option(help="Publish this draft instead of a file.", show_default=False)] = None,
    percent: Percent = None,
    confirm: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="How many outcomes may change, as the check has named it.", show_default=False
        ),
    ] = None,
    message: Message = None,
    author: Author = None,
) -> None:
    """Check a rule file or a draft, and make it the active ruleset: detectors switch to it within 2 seconds.

    Its examples are run, and the last orders are decided by it and by the active version. When more of them than
    ORDERWATCH_PUBLISH_CHANGED_SHARE get another outcome, --confirm has to name their number.

    With --percent it decides the orders of so many percent of the users, and the active ruleset those of the others;
    `rules rollout` changes the percentage, `rules rollback` ends that. Files that it includes are stored with it.
    Exits 0 when the ruleset is active, or was before.
    """
    settings = read_settings(PublicationSettings)
    chosen = _find_draft(draft, file, settings) if draft is not None else None
    if chosen is not None:
        ruleset, source = parse_draft(chosen, "Nothing was published."), f"draft {chosen.name}"
    elif file is not None:
        _require_no_approval(settings)
        ruleset, source = _load(file), str(file)
    else:
        raise UsageError("a FILE or --draft NAME is to be published", "Nothing was published.")
    failed = [result for result in run_examples(ruleset) if not result.as_expected]
    if failed:
        places = "; ".join(f"{source}:{each.example.line}: rule '{each.rule.id}'" for each in failed[:5])
        raise CommandError(
            f"{len(failed)} examples are not as expected: {places}",
            "Nothing was published. fraud-detector rules test FILE shows what is different.",
        )
    _require_same_content(ruleset, source)
    try:
        with_pack = add_marketplace_pack(ruleset, settings.marketplace_pack)
    except RulesetError as error:
        raise CommandError(str(error), "Nothing was published.") from None
    who, why = read_author(author), read_text(message, "--message") or (chosen.message if chosen else None)
    found = check_publication(settings, ruleset, confirm)
    evidence = {**as_recorded(found, confirm), **_approval(chosen)}

    async def run(connection: Connection) -> tuple[RulesetPointer | None, RulesetPointer]:
        if percent is not None:
            stable = await read_active_version(connection)
            if stable is not None:
                await _require_compatible(connection, stable, with_pack, settings.marketplace_pack)
            return await _roll_out(connection, ruleset, percent, author=who, message=why, evidence=evidence)
        before = await activate(
            connection, ruleset.version, ruleset.content,
            action=Action.PUBLISH, author=who, message=why, evidence=evidence,
        )  # fmt: skip
        return before, RulesetPointer(ruleset.version)

    if found is not None:
        OUT.print(found.sentence())
    _print_change(*_execute(run))
    _mention_file_setting(settings)


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

    async def run(connection: Connection) -> tuple[RulesetPointer | None, RulesetPointer]:
        pointer = await read_pointer(connection)
        candidate = None if pointer is None else pointer.candidate
        if candidate is None:
            raise CommandError(
                "no version is being rolled out", "fraud-detector rules publish FILE --percent N begins it."
            )
        ruleset = await read_ruleset(connection, candidate)
        if percent < EVERYONE:
            return await _roll_out(connection, ruleset, percent, author=who, message=why)
        before = await activate(connection, candidate, ruleset.content, action=Action.PUBLISH, author=who, message=why)
        return before, RulesetPointer(candidate)

    _print_change(*_execute(run))
    _mention_file_setting(read_settings(RulesetSettings))


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
        pointer = await read_pointer(connection)
        if version is not None:
            chosen = await find_version(connection, version)
        elif pointer is not None and pointer.candidate is not None:
            chosen = pointer.version
        else:
            chosen = await _previous(connection, pointer)
        ruleset = await read_ruleset(connection, chosen)
        try:
            add_marketplace_pack(ruleset, settings.marketplace_pack)
        except RulesetError as error:
            raise CommandError(str(error), "The active version stays.") from None
        before = await activate(connection, chosen, ruleset.content, action=Action.ROLLBACK, author=who, message=why)
        return before, RulesetPointer(chosen)

    _print_change(*_execute(run), again=" again")
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
        if activation.pointer.candidate is not None:
            OUT.print(f"Candidate: {_rollout(activation.pointer)} of the users")
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
    for command in (publish, rollout, rollback, versions, show, active):
        app.command()(command)


def _execute(run: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The result of `run` on a connection to the database."""
    return run_on_database(read_settings(DatabaseSettings), run)


def _load(file: Path) -> Ruleset:
    try:
        return load_ruleset(file)
    except RulesetError as error:
        raise UsageError(str(error), "Nothing was published.") from None


def _find_draft(name: str, file: Path | None, settings: PublicationSettings) -> Draft:
    """The draft to publish. Raises CommandError when there is none, or the approval is missing that a setting wants."""
    if file is not None:
        raise UsageError("either FILE or --draft is published, not both", "Nothing was published.")

    found = execute_on_drafts(lambda connection: find_draft(connection, name))
    if settings.publish_approval and found.approved_by is None:
        raise CommandError(
            f"draft '{name}' is not approved, which ORDERWATCH_PUBLISH_APPROVAL asks for",
            f"Another person approves it: fraud-detector rules draft approve {name} {found.version}",
        )
    return found


def _require_no_approval(settings: PublicationSettings) -> None:
    if settings.publish_approval:
        raise CommandError(
            "ORDERWATCH_PUBLISH_APPROVAL asks for a second person's approval, which a file cannot have",
            "Nothing was published. Save it: fraud-detector rules draft save NAME FILE",
        )


def _approval(draft: Draft | None) -> Mapping[str, Any]:
    return {} if draft is None else {"draft": draft.name, "authors": draft.authors, "approved_by": draft.approved_by}


def _require_same_content(ruleset: Ruleset, file: str) -> None:
    """Refuse what a detector could not read from the database as it was read from the files."""
    try:
        stored = parse_ruleset(ruleset.content, f"{file} with what it includes")
    except RulesetError as error:
        raise UsageError(str(error), "Nothing was published.") from None
    if stored.version != ruleset.version:
        raise CommandError(f"{file}: its stored content would be version {stored.version}, not {ruleset.version}")


async def _roll_out(
    connection: Connection,
    ruleset: Ruleset,
    percent: int,
    *,
    author: str,
    message: str | None,
    evidence: Mapping[str, Any] | None = None,
) -> tuple[RulesetPointer, RulesetPointer]:
    try:
        return await roll_out(
            connection, ruleset.version, ruleset.content, percent, author=author, message=message, evidence=evidence
        )
    except RolloutError as error:
        raise CommandError(str(error), "Nothing was published.") from None


async def _require_compatible(connection: Connection, stable: str, candidate: Ruleset, pack: PackMode) -> None:
    """Refuse a candidate that cannot decide beside the active version. Raises CommandError."""
    active = await read_ruleset(connection, stable)
    try:
        DecidingRulesets(add_marketplace_pack(active, pack), Rollout(candidate, EVERYONE, candidate.version))
    except RulesetError as error:
        raise CommandError(str(error), "Nothing was published.") from None


def _print_change(before: RulesetPointer | None, after: RulesetPointer, again: str = "") -> None:
    if before == after:
        OUT.print(f"{_described(after)} already; nothing has changed")
    elif after.candidate is not None:
        OUT.print(f"{_described(after)}; {after.version} decides for the others")
    elif before is not None and before.version == after.version:
        OUT.print(f"{after.version} decides for all users again; {before.candidate} is no longer a candidate")
    else:
        OUT.print(f"{_described(after)}{again}" + (f", instead of {before.version}" if before else ""))


def _described(pointer: RulesetPointer) -> str:
    if pointer.candidate is None:
        return f"{pointer.version} is active"
    return f"{pointer.candidate} decides for {pointer.percent}% of the users"


def _rollout(pointer: RulesetPointer) -> str:
    return "" if pointer.candidate is None else f"{pointer.candidate} for {pointer.percent}%"


async def _previous(connection: Connection, pointer: RulesetPointer | None) -> str:
    active = None if pointer is None else pointer.version
    found = [each for each in await find_activated(connection, "", 2) if each != active]
    if not found:
        raise CommandError("no earlier version to return to", "fraud-detector rules versions lists them.")
    return found[0]


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


def _mention_file_setting(settings: RulesetSettings) -> None:
    """Detectors with this setting do not follow the active version."""
    if settings.rules is not None:
        ERR.print(f"ORDERWATCH_RULES is set: a detector with it decides by {settings.rules}", markup=False)
