"""The command `fraud-detector replay`."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import asyncpg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from decision_engine.replay.replayer import KnownPast, Replayer
from fraud_detector.replay.output import (
    MOST_SHOWN,
    as_document,
    print_differences,
    print_summary,
    print_summary_document,
)
from fraud_detector.replay.postgres_source import Wanted, stage_orders
from fraud_detector.replay.results import DifferingOrder, ReplayResult, replay_orders
from fraud_detector.replay.staged_orders import StagedOrders
from order_contract.business_dates import parse_business_date
from order_contract.business_time import parse_typed_time, to_utc
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import ExitCode, UnavailableError, UsageError
from order_platform.command_line.output import ERR, AsJson, parse_argument, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.gc_tuning import paused_collector
from order_platform.settings import DatabaseSettings, KafkaSettings

_SHOWN_EVERY: Final = 500
_DAY: Final = timedelta(days=1)
_DATE_LENGTH: Final = len("2026-11-20")


class ReplaySettings(KafkaSettings, DatabaseSettings):
    """Settings of the command: the database, and which topics the orders and labels in it are of."""


def _parse_end(text: str) -> datetime:
    """The end of a date, or a time."""
    if len(text) != _DATE_LENGTH:
        return parse_typed_time(text)
    day = parse_business_date(text) + _DAY
    return to_utc(datetime(day.year, day.month, day.day))  # noqa: DTZ001  (business time)


From = Annotated[
    datetime,
    typer.Option(
        "--from",
        parser=parse_argument(parse_typed_time),
        metavar="DATE",
        help="The first business date, or a time, by which orders were created.",
    ),
]
To = Annotated[
    datetime,
    typer.Option(
        "--to",
        parser=parse_argument(_parse_end),
        metavar="DATE",
        help="The last business date, which counts as a whole, or a time.",
    ),
]


def replay(*, since: From, until: To, as_json: AsJson = False) -> None:
    """Decide stored orders again, and compare with the decisions that are stored. Nothing is changed.

    Each order is decided by the ruleset version that decided it, with the orders, labels and list entries that its
    detector had read: status, outcome, risk score, hits with their sentences and features must be the same, to the bit.
    Earlier orders are read as far back as windows reach. Exits 0 when all orders were decided again and none differs.

    fraud-detector replay --from 2026-11-20 --to 2026-11-20
    fraud-detector replay --from 2026-11-20T10:00 --to 2026-11-20T11:00 --json
    """
    if until <= since:
        raise UsageError("--to ends before --from begins", "A date is its whole day: --from 2026-11-20 --to 2026-11-20")
    settings = read_settings(ReplaySettings)
    wanted = Wanted(settings.orders_topic, settings.labels_topic, since, until)
    result, shown = ReplayResult(), list[DifferingOrder]()
    try:
        with tempfile.TemporaryDirectory(prefix="orderwatch-replay-") as folder, _progress() as progress:
            past, staged, total = _stage(settings, wanted, Path(folder) / "orders", progress)
            for order in _replay(past, staged, total, result, progress):
                if as_json:
                    print_json(as_document(order))
                elif len(shown) < MOST_SHOWN:
                    shown.append(order)
    except sqlite3.OperationalError as error:
        folder = tempfile.gettempdir()
        raise UnavailableError(f"{folder} cannot hold the orders: {error}", "TMPDIR names another folder.") from None
    except KeyboardInterrupt:
        found = result.total
        ERR.print(f"interrupted: {found.decided:,} orders were decided again, {found.differing:,} of them differ")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if as_json:
        print_summary_document(result)
    elif not result.versions:
        ERR.print("no order of these dates is stored")
    else:
        print_differences(shown, result.total.differing)
        print_summary(result)
    raise typer.Exit(ExitCode.OK if result.agrees else ExitCode.NEGATIVE)


def _stage(
    settings: ReplaySettings, wanted: Wanted, path: Path, progress: Progress
) -> tuple[KnownPast, StagedOrders, int]:
    """Read the orders into a file; returns what else is known, the file and the number of orders to decide."""
    task = progress.add_task("reading orders", total=None)

    staged = StagedOrders(path)

    async def run(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[KnownPast, int]:
        return await stage_orders(connection, wanted, staged, lambda count: progress.advance(task, count))

    with paused_collector():
        past, total = run_on_database(settings, run)
    progress.remove_task(task)
    return past, staged, total


def _replay(
    past: KnownPast, staged: StagedOrders, total: int, result: ReplayResult, progress: Progress
) -> Iterator[DifferingOrder]:
    """Decide the staged orders again, partition by partition; yields those that differ."""
    task = progress.add_task("deciding again", total=total)
    for partition in staged.partitions:
        # Histories of their own: each partition's decisions saw the others' orders in a sequence of their own.
        replayer = Replayer(past, staged)
        for number, order in enumerate(replay_orders(replayer, staged.decided(partition), result), 1):
            if number % _SHOWN_EVERY == 0:
                progress.advance(task, _SHOWN_EVERY)
            if order is not None:
                yield order
    staged.close()


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        yield progress
