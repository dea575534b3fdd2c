"""The command `fraud-detector replay`."""

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.progress import Progress

from decision_engine.replay.replayer import KnownPast
from fraud_detector.replay.duckdb_orders import DuckDbOrders
from fraud_detector.replay.output import (
    MOST_SHOWN,
    as_document,
    print_differences,
    print_summary,
    print_summary_document,
)
from fraud_detector.replay.processes import replay_partitions
from fraud_detector.replay.results import DifferingOrder, ReplayResult
from fraud_detector.replay.sources import Wanted
from fraud_detector.replay.staged_orders import StagedOrders
from fraud_detector.replay.staging import stage
from order_contract.business_time import business_date
from order_platform.command_line.database import run_on_database
from order_platform.command_line.date_options import From, To, require_range
from order_platform.command_line.errors import ExitCode, UnavailableError, UsageError
from order_platform.command_line.output import ERR, AsJson, print_json
from order_platform.command_line.progress import progress_bar
from order_platform.command_line.settings_errors import read_settings
from order_platform.gc_tuning import paused_collector
from order_platform.settings import DatabaseSettings, KafkaSettings


class ReplaySettings(KafkaSettings, DatabaseSettings):
    """Settings of the command: the database, and which topics the orders and labels in it are of."""


Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="FILE",
        help="Read the orders from a warehouse.duckdb, *.parquet or *.jsonl instead of Postgres.",
        show_default=False,
    ),
]


Processes = Annotated[
    int,
    typer.Option(min=1, max=256, help="How many partitions are decided at a time, each with histories in memory."),
]


def replay(*, since: From, until: To, source: Source = None, processes: Processes = 1, as_json: AsJson = False) -> None:
    """Decide stored orders again, and compare with the decisions that are stored. Nothing is changed.

    Each order is decided by the ruleset version that decided it, with the orders, labels and list entries that its
    detector had read: status, outcome, risk score, hits with their sentences and features must be the same, to the bit.
    Earlier orders are read as far back as windows reach. Rulesets, labels and list entries are those of Postgres,
    wherever the orders are read from. Exits 0 when all orders were decided again and none differs.

    fraud-detector replay --from 2026-11-20 --to 2026-11-20
    fraud-detector replay --from 2026-11-20T10:00 --to 2026-11-20T11:00 --json
    fraud-detector replay --from 2026-11-20 --to 2026-11-20 --source .orderwatch/warehouse.duckdb
    """
    require_range(since, until)
    settings = read_settings(ReplaySettings)
    wanted = Wanted(settings.orders_topic, settings.labels_topic, since, until)
    result, shown = ReplayResult(), list[DifferingOrder]()
    decided = differing = 0
    try:
        with tempfile.TemporaryDirectory(prefix="orderwatch-replay-") as folder, progress_bar() as progress:
            file = Path(folder) / "orders"
            past, total = _stage(settings, source, wanted, file, progress)
            result.incomplete = _incomplete_dates(past, wanted)
            task = progress.add_task("deciding again", total=total)
            with closing(replay_partitions(past, file, processes)) as reports:
                for report in reports:
                    if isinstance(report, ReplayResult):
                        result.add(report)
                    elif isinstance(report, int):
                        decided += report
                        progress.update(task, completed=decided)
                    else:
                        differing += 1
                        if as_json:
                            print_json(as_document(report))
                        elif len(shown) < MOST_SHOWN:
                            shown.append(report)
    except sqlite3.IntegrityError:
        raise UsageError(
            f"{source} holds two orders of the same partition and offset", "Leave out files that overlap."
        ) from None
    except sqlite3.OperationalError as error:
        raise UnavailableError(
            f"{tempfile.gettempdir()} cannot hold the orders: {error}", "TMPDIR names another folder."
        ) from None
    except KeyboardInterrupt:
        ERR.print(f"interrupted: {decided:,} orders were decided again until then, {differing:,} of them differ")
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
    settings: ReplaySettings, location: str | None, wanted: Wanted, file: Path, progress: Progress
) -> tuple[KnownPast, int]:
    """Read the orders into a file; returns what else is known, and the number of orders to decide."""
    source = None if location is None else DuckDbOrders(location)
    task = progress.add_task("reading orders", total=None)
    with closing(StagedOrders(file)) as staged, paused_collector():

        async def run(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[KnownPast, int]:
            return await stage(connection, source, wanted, staged, lambda count: progress.advance(task, count))

        found = run_on_database(settings, run)
    if source is not None:
        source.close()
    progress.remove_task(task)
    return found


def _incomplete_dates(past: KnownPast, wanted: Wanted) -> Sequence[date]:
    """The dates to decide again of which the source has not all orders."""
    return [
        business_date(span.start) for span in past.incomplete if span.end > wanted.since and span.start < wanted.until
    ]
