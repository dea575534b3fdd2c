"""Running a backtest from a command: rule files, a progress bar, processes, and Ctrl-C."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import typer

from decision_engine.backtest.tally import Tally
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset
from order_backtests.extent import Extent, dates_text, read_extent
from order_backtests.postgres_source import Span
from order_backtests.report import Backtest
from order_backtests.runner import Observe, Plan, divide, run_beside, run_here
from order_contract.business_time import business_date
from order_platform.command_line.database import Connection, run_on_database
from order_platform.command_line.errors import CommandError, ExitCode
from order_platform.command_line.output import ERR
from order_platform.command_line.progress import progress_bar
from order_platform.settings import DatabaseSettings, KafkaSettings

MOST_DAYS: Final = 400
"""That a command which looks back may be asked for."""


class BacktestSettings(KafkaSettings, DatabaseSettings):
    """Settings of the commands: the database, and which topics the orders and labels in it are of."""


def load_rules(path: Path) -> Ruleset:
    """The ruleset of a file. Raises CommandError."""
    try:
        return load_ruleset(path)
    except RulesetError as error:
        raise CommandError(str(error), "") from None


def run_backtest(
    settings: BacktestSettings,
    ruleset: Ruleset,
    against: Ruleset | None,
    *,
    names: tuple[str, str],
    dates: tuple[datetime, datetime],
    processes: int = 1,
    observe: Observe | None = None,
) -> Backtest:
    """Decide the orders of the dates. `names` are those of both rulesets; `observe` is for one process alone.

    Raises CommandError, or typer.Exit without any order and on Ctrl-C.
    """
    span = Span(settings.orders_topic, *dates)
    rulesets = [ruleset] if against is None else [ruleset, against]

    async def read(connection: Connection) -> Extent:
        return await read_extent(connection, span, rulesets)

    extent = run_on_database(settings, read)
    if not extent.orders:
        ERR.print("no order of these dates is stored")
        raise typer.Exit(ExitCode.NEGATIVE)
    plan = Plan(span, settings.labels_topic, ruleset.content, None if against is None else against.content)
    plans = divide(plan, extent.hours, min(processes, os.cpu_count() or 1))
    with progress_bar() as progress:
        advance = partial(progress.advance, progress.add_task("deciding", total=extent.orders))
        try:
            tally = _run(settings, plans, advance, observe)
        except KeyboardInterrupt:
            ERR.print("interrupted: only some of the orders were decided, so no report is shown")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    retired_before = None if extent.retired_before is None else business_date(extent.retired_before)
    return Backtest(*names, dates_text(*dates), ruleset, tally, retired_before)


def _run(
    settings: BacktestSettings, plans: Sequence[Plan], advance: Callable[[int], None], observe: Observe | None
) -> Tally:
    if len(plans) == 1:
        return run_here(settings, plans[0], advance, observe)
    return run_beside(settings, plans, advance)
