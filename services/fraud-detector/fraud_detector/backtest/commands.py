"""The command `fraud-detector backtest`."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import asyncpg
import typer

from decision_engine.ruleset import Ruleset
from fraud_detector.backtest.output import print_report
from fraud_detector.backtest.running import BacktestSettings, load_rules, run_backtest
from order_backtests.html import as_html
from order_backtests.markdown import as_markdown
from order_backtests.publication.stored_versions import find_version, read_ruleset
from order_backtests.report import as_document
from order_platform.command_line.database import run_on_database
from order_platform.command_line.date_options import From, To, require_range
from order_platform.command_line.output import print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.ruleset_versions import read_content

MOST_PROCESSES: Final = 64


class Form(StrEnum):
    """Form of the report."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


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
    ruleset = load_rules(file)
    settings = read_settings(BacktestSettings)
    other = None if against is None else run_on_database(settings, partial(_find_against, given=against))
    result = run_backtest(
        settings,
        ruleset,
        other,
        names=(
            f"{file.name} ({ruleset.version})",
            "the stored decisions" if other is None else f"{against} ({other.version})",
        ),
        dates=(since, until),
        processes=processes,
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


async def _find_against(connection: "asyncpg.Connection[asyncpg.Record]", given: str) -> Ruleset:
    """The ruleset of a version, or in a file."""
    if "." in given or "/" in given:
        return load_rules(Path(given))
    # A version that decided need not have been active: with the marketplace pack, orders have that of both together.
    known = await read_content(connection, given)
    return await read_ruleset(connection, given if known is not None else await find_version(connection, given))
