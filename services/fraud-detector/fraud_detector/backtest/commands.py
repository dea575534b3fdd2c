"""The command `fraud-detector backtest`."""

import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import asyncpg
import typer

from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset
from fraud_detector.backtest.output import print_report
from fraud_detector.stored_versions import find_version, read_ruleset
from order_backtests.extent import Extent, dates_text, read_extent
from order_backtests.html import as_html
from order_backtests.markdown import as_markdown
from order_backtests.postgres_source import Span
from order_backtests.report import Backtest, as_document
from order_backtests.runner import Plan, divide, run_beside, run_here
from order_contract.business_time import business_date
from order_platform.command_line.database import run_on_database
from order_platform.command_line.date_options import From, To, require_range
from order_platform.command_line.errors import CommandError, ExitCode
from order_platform.command_line.output import ERR, print_json
from order_platform.command_line.progress import progress_bar
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.ruleset_versions import read_content
from order_platform.settings import DatabaseSettings, KafkaSettings

MOST_PROCESSES: Final = 64


class BacktestSettings(KafkaSettings, DatabaseSettings):
    """Settings of the command: the database, and which topics the orders and labels in it are of."""


class Form(StrEnum):
    """Form of the report."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class _Found(NamedTuple):
    extent: Extent
    against: Ruleset | None


def backtest(  # noqa: PLR0917  (options)
    file: Annotated[Path, typer.Argument(help="YAML file of rules.")],
    since: From,
    until: To,
    against: Annotated[
        str | None,
        typer.Option(help="A stored version, or its first characters, or a file; else what was decided then."),
    ] = None,
    form: Annotated[Form, typer.Option("--report", "--format", help="Form of the report.")] = Form.TABLE,
    processes: Annotated[
        int,
        typer.Option(min=1, max=MOST_PROCESSES, help="Processes; each reads the orders of its part and those before."),
    ] = 1,
) -> None:
    """Show what a rule file would have decided on past orders, and, where labels are, how good that is.

    Orders are decided in the sequence of their own time; features are computed from the orders before, labels and lists
    count from when they were known. Nothing is changed. Exits 1 when there was no order.

    fraud-detector backtest rules.yaml --from 2026-11-01 --to 2026-11-20
    fraud-detector backtest rules.yaml --from 2026-11-01 --to 2026-11-20 --against 0b9a3a1c --report markdown
    """
    require_range(since, until)
    ruleset = _load(file)
    settings = read_settings(BacktestSettings)
    span = Span(settings.orders_topic, since, until)

    async def find(connection: "asyncpg.Connection[asyncpg.Record]") -> _Found:
        other = None if against is None else await _find_against(connection, against)
        rulesets = [ruleset] if other is None else [ruleset, other]
        return _Found(await read_extent(connection, span, rulesets), other)

    found = run_on_database(settings, find)
    hours, retired_before = found.extent
    total = found.extent.orders
    if not total:
        ERR.print("no order of these dates is stored")
        raise typer.Exit(ExitCode.NEGATIVE)
    other = None if found.against is None else found.against.content
    plan = Plan(span, settings.labels_topic, ruleset.content, other)
    plans = divide(plan, hours, min(processes, os.cpu_count() or 1))
    with progress_bar() as progress:
        task = progress.add_task("deciding", total=total)
        advance = partial(progress.advance, task)
        try:
            tally = run_here(settings, plan, advance) if len(plans) == 1 else run_beside(settings, plans, advance)
        except KeyboardInterrupt:
            ERR.print("interrupted; there is no report, as only a part of the orders was decided")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    result = Backtest(
        f"{file.name} ({ruleset.version})",
        "the stored decisions" if found.against is None else f"{against} ({found.against.version})",
        dates_text(since, until),
        ruleset,
        tally,
        None if retired_before is None else business_date(retired_before),
    )
    match form:
        case Form.JSON:
            print_json(as_document(result))
        case Form.MARKDOWN:
            typer.echo(as_markdown(result), nl=False)
        case Form.HTML:
            typer.echo(as_html(result), nl=False)
        case Form.TABLE:
            print_report(result)


def _load(path: Path) -> Ruleset:
    try:
        return load_ruleset(path)
    except RulesetError as error:
        raise CommandError(str(error), "") from None


async def _find_against(connection: "asyncpg.Connection[asyncpg.Record]", given: str) -> Ruleset:
    """The ruleset of a version, or in a file."""
    if "." in given or "/" in given:
        return _load(Path(given))
    # A version that decided need not have been active: with the marketplace pack, orders have that of both together.
    known = await read_content(connection, given)
    return await read_ruleset(connection, given if known is not None else await find_version(connection, given))
