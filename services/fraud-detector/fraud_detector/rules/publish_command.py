"""`fraud-detector rules publish` and `watch`: the check before, the publication, and the flag rate after it."""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from decision_engine.rollout import EVERYONE
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset, parse_ruleset
from fraud_detector.rules.draft_commands import execute_on_drafts, read_author, read_text
from fraud_detector.rules.version_commands import (
    Author,
    Message,
    execute,
    mention_file_setting,
    print_change,
    rollback,
)
from fraud_detector.settings import RulesetSettings
from order_backtests.publication.check import UNCHECKED, CheckPlan, CheckResult, as_recorded, plan_check
from order_backtests.publication.flag_watch import FlagWatch, read_flag_watch
from order_backtests.publication.publishing import (
    NOTHING_PUBLISHED,
    add_pack,
    approval_evidence,
    parse_draft,
    publish_ruleset,
    require_approval,
    require_examples,
)
from order_backtests.publication.settings import PublicationSettings
from order_backtests.runner import Plan, run_here
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.command_line.output import ERR, OUT, AsJson, print_json
from order_platform.command_line.progress import progress_bar
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.ruleset_drafts import Draft, find_draft
from order_platform.postgres.ruleset_versions import Connection
from order_platform.settings import DatabaseSettings, KafkaSettings

LOOK_SECONDS: Final = 2.0
"""How often a watch counts."""

Percent = Annotated[
    int | None,
    typer.Option(min=1, max=EVERYONE - 1, help="Only for so many percent of the users.", show_default=False),
]


class PublishSettings(PublicationSettings, RulesetSettings, KafkaSettings, DatabaseSettings):
    """All settings of publishing by command."""


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
    watch: Annotated[
        bool | None,
        typer.Option(
            help="Watch the share of flagged orders for ORDERWATCH_PUBLISH_WATCH_SECONDS; on in a terminal.",
            show_default=False,
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

    Afterwards the share of flagged orders is watched: when it jumps, a rollback is offered.
    Exits 0 when the ruleset is active, or was before; 1 when the share jumps and no one can be asked.
    """
    settings = read_settings(PublishSettings)
    chosen: Draft | None = None
    if draft is not None:
        chosen = _find_draft(draft, file, settings)
        ruleset, source = parse_draft(chosen), f"draft {chosen.name}"
    elif file is not None:
        _require_no_approval(settings)
        ruleset, source = _load(file), str(file)
    else:
        raise UsageError("a FILE or --draft NAME is to be published", NOTHING_PUBLISHED)
    require_examples(ruleset, source)
    _require_same_content(ruleset, source)
    add_pack(ruleset, settings.marketplace_pack)
    who, why = read_author(author), read_text(message, "--message") or (chosen.message if chosen else None)
    found = _check(settings, ruleset, confirm)
    evidence = {**as_recorded(found, confirm), **approval_evidence(chosen)}

    async def run(connection: Connection) -> tuple[RulesetPointer | None, RulesetPointer]:
        return await publish_ruleset(
            connection, ruleset, percent,
            pack=settings.marketplace_pack, author=who, message=why, evidence=evidence,
        )  # fmt: skip

    if found is not None:
        OUT.print(found.sentence())
    before, after = execute(run)
    print_change(before, after)
    mention_file_setting(settings)
    if before is not None and before != after and (_can_ask() if watch is None else watch):
        _offer_rollback(_watch(settings), author)


def watch(*, as_json: AsJson = False) -> None:
    """Say how the share of flagged orders has changed since the last version became active, or a roll-out began.

    Exits 1 when it has jumped: by more than ORDERWATCH_PUBLISH_WATCH_SHARE, with an interval of 99.9 %.
    """
    settings = read_settings(PublishSettings)
    found = execute(partial(read_flag_watch, settings=settings, topic=settings.orders_topic))
    if found is None:
        raise CommandError("no ruleset is active yet", "The first detector that starts activates the default one.")
    if as_json:
        print_json(found.as_document())
    else:
        OUT.print(f"{found.sentence()} {found.conclusion(settings.publish_watch_share)}", markup=False)
    raise typer.Exit(1 if found.verdict.is_jump else 0)


def _watch(settings: PublishSettings) -> FlagWatch:
    """The watch of the last switch at its end: a jump, or its time is over."""

    async def run(connection: Connection) -> FlagWatch:
        first: FlagWatch | None = None
        with progress_bar() as progress:
            task = progress.add_task("watching", total=settings.publish_watch_seconds)
            while True:
                found = await read_flag_watch(connection, settings, settings.orders_topic)
                assert found is not None  # one was published
                first = first or found
                if found.activation != first.activation:
                    raise CommandError("another version has been published in the meantime", "It is watched by itself.")
                if found.verdict.is_jump or found.is_over:
                    return found
                progress.update(task, completed=found.seconds)
                await asyncio.sleep(LOOK_SECONDS)

    return execute(run)


def _offer_rollback(found: FlagWatch, author: str | None) -> None:
    settings = read_settings(PublishSettings)
    text = f"{found.sentence()} {found.conclusion(settings.publish_watch_share)}"
    if not found.verdict.is_jump:
        OUT.print(text, markup=False)
        return
    if not _can_ask():
        raise CommandError(text, "It is active. fraud-detector rules rollback makes the one before active again.")
    ERR.print(text, markup=False)
    if typer.confirm("Roll back?", default=False, err=True):
        rollback(message=f"after a {found.verdict} of the share of flagged orders", author=author)
    else:
        OUT.print(f"{found.version} stays as it is")


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _check(settings: PublishSettings, ruleset: Ruleset, confirmed: str | None) -> CheckResult | None:
    """Decide the last orders by a ruleset and by the active one; None when there is nothing to compare.

    Raises CommandError when more outcomes change than the setting allows, unless `confirmed` is their number; and when
    too many orders would have to be read, unless it is "unchecked".
    """

    async def prepare(connection: Connection) -> CheckPlan | None:
        try:
            return await plan_check(connection, settings, settings.orders_topic, ruleset, confirmed)
        except CommandError as error:
            advice = f"See what changes with fraud-detector backtest, then add --confirm {UNCHECKED}."
            raise CommandError(str(error), f"{NOTHING_PUBLISHED} {advice}") from None

    plan = execute(prepare)
    if plan is None:
        return None
    with progress_bar() as progress:
        task = progress.add_task("checking", total=plan.orders)
        backtest = Plan(plan.span, settings.labels_topic, ruleset.content, plan.active.content)
        tally = run_here(settings, backtest, partial(progress.advance, task))
    found = CheckResult(tally.orders, tally.changed, tally.flagged_before.orders, tally.flagged.orders)
    if found.needs_confirmation(settings, confirmed):
        raise CommandError(
            found.too_many_changes(settings),
            f"{NOTHING_PUBLISHED} fraud-detector backtest shows the orders; if it is meant, add --confirm "
            f"{found.changed}.",
        )
    return found


def _load(file: Path) -> Ruleset:
    try:
        return load_ruleset(file)
    except RulesetError as error:
        raise UsageError(str(error), NOTHING_PUBLISHED) from None


def _find_draft(name: str, file: Path | None, settings: PublicationSettings) -> Draft:
    """The draft to publish. Raises CommandError when there is none, or the approval is missing that a setting wants."""
    if file is not None:
        raise UsageError("either FILE or --draft is published, not both", NOTHING_PUBLISHED)
    found = execute_on_drafts(lambda connection: find_draft(connection, name))
    try:
        require_approval(found, wanted=settings.publish_approval)
    except CommandError as error:
        advice = f"Another person approves it: fraud-detector rules draft approve {name} {found.version}"
        raise CommandError(str(error), advice) from None
    return found


def _require_no_approval(settings: PublicationSettings) -> None:
    if settings.publish_approval:
        raise CommandError(
            "ORDERWATCH_PUBLISH_APPROVAL asks for a second person's approval, which a file cannot have",
            f"{NOTHING_PUBLISHED} Save it: fraud-detector rules draft save NAME FILE",
        )


def _require_same_content(ruleset: Ruleset, file: str) -> None:
    """Refuse what a detector could not read from the database as it was read from the files."""
    try:
        stored = parse_ruleset(ruleset.content, f"{file} with what it includes")
    except RulesetError as error:
        raise UsageError(str(error), NOTHING_PUBLISHED) from None
    if stored.version != ruleset.version:
        raise CommandError(f"{file}: its stored content would be version {stored.version}, not {ruleset.version}")
