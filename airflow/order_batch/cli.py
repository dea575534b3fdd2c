"""Command line `order-batch`: the batch side without Airflow."""

import getpass
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import duckdb
import psycopg
import typer

from order_batch.app import open_pipeline
from order_batch.exit_checks import (
    PROGRAM,
    require_clean,
    require_compared,
    require_orders,
    require_published,
    show_kept,
)
from order_batch.loads.comparison import Comparison, NotCompared
from order_batch.loads.order_lookup import LoadedOrder
from order_batch.loads.retirement import RetirementError
from order_batch.output import (
    comparison_json,
    comparison_table,
    mart_table,
    not_compared_json,
    not_compared_text,
    order_table,
)
from order_batch.pipeline import BatchPipeline
from order_batch.progress import show_bar, show_progress
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Dbt
from order_batch.transform.results import Build, DbtError
from order_batch.warehouse.partitions import EARLIEST, business_dates, dates_text
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError
from order_batch.warehouse.tables import LABELS, ORDERS, PRODUCTS, RULE_HITS, USERS
from order_contract.business_dates import parse_business_date, parse_business_dates
from order_contract.business_time import BUSINESS_ZONE, business_date
from order_platform.command_line.confirmation import require_confirmation
from order_platform.command_line.errors import ExitCode
from order_platform.command_line.output import ERR, OUT, AsJson, failure, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.command_line.terminal_text import printable
from order_platform.logging import configure_logging

_LOADED = {
    ORDERS.name: "orders",
    RULE_HITS.name: "hits of rules",
    LABELS.name: "labels",
    USERS.name: "versions of users",
    PRODUCTS.name: "versions of products",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Loads orders into the warehouse, builds the marts with dbt, and publishes them.",
)

Dates = Annotated[
    str,
    typer.Argument(
        help="a business date, `2026-11-20`, a range, `2026-11-18..2026-11-20`, or `2026-11-18..`, up to yesterday"
    ),
]


@app.command()
def run(
    dates: Dates,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="build all dates again from what is loaded, not only these")
    ] = False,
) -> None:
    """Everything for some dates: catalog, loads, dbt, marts; then shows each mart's first rows.

    Running a date again replaces it; dates may come in any order. After an upgrade the first run also loads the dates
    again whose raw tables had fewer columns, and builds all dates where models changed.
    """
    first, last = _span(dates)
    with _pipeline() as pipeline:
        outdated = pipeline.take_over(_yesterday())
        days = sorted({*business_dates(first, last), *outdated.to_load})
        show_kept(outdated.to_keep.difference(days))
        if added := len(days) - ((last - first).days + 1):
            ERR.print(f"{added:,} more dates were loaded by an earlier release: they are loaded and built, too")
        first, last = days[0], days[-1]
        with show_progress(len(days) + 5) as step:
            step("catalog")
            users, products = pipeline.fill_catalog()
            step(f"catalog: {users:,} users, {products:,} versions of products added; loading")
            # Names in the marts are the current ones, whatever the dates.
            newest = max(last, _yesterday())
            rows = Counter(pipeline.load_users(newest)) + Counter(pipeline.load_products(newest))
            for day in days:
                step(f"orders of {day}")
                rows += Counter(pipeline.load_orders(day))
            loaded = ", ".join(f"{rows[name]:,} {what}" for name, what in _LOADED.items())
            if not rows[ORDERS.name] and not full_refresh:
                require_orders(pipeline, first, last, loaded)
            step(f"loaded {loaded}; dbt")
            build = pipeline.build(first, last, step.show_node, full_refresh=full_refresh)
            build.require_success()
            step("marts")
            pipeline.publish()
            step("comparing")
            found = pipeline.compare(first, last)
        OUT.print(f"{dates_text(first, last)}: loaded {loaded}")
        _show_build(build)
        _show_marts(pipeline, 3)
        require_clean(found, first, last)
        require_compared(pipeline, found, first, last)


@app.command()
def marts(rows: Annotated[int, typer.Option(help="rows of each", min=1, max=1_000)] = 10) -> None:
    """Show the first rows of each published mart."""
    with _pipeline() as pipeline:
        _show_marts(pipeline, rows)


@app.command("dbt-docs")
def dbt_docs() -> None:
    """Write dbt's pages: models, columns with their types in the warehouse, tests and lineage.

    `make dbt-docs` serves them. Without a warehouse they have no types.
    """
    settings = read_settings(BatchSettings)
    try:
        OUT.print(f"written to {Dbt(settings).write_pages()}", markup=False, soft_wrap=True)
    except (DbtError, WarehouseUnavailableError) as error:
        raise failure(PROGRAM, str(error)) from None


@app.command()
def orders(
    order_ids: Annotated[list[str] | None, typer.Argument(help="orders; without any, lines of standard input")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the warehouse holds of some orders, and since when."""
    wanted = order_ids or _ids(sys.stdin.buffer.read().decode(errors="replace"))
    with _pipeline() as pipeline:
        for order in pipeline.look_up(wanted):
            if as_json:
                print_json(order)
            else:
                _show_order(order)


@app.command()
def reconcile(
    dates: Annotated[str | None, typer.Argument(help="a business date or a range; else all up to yesterday")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="load, build and publish what differs, then compare again")
    ] = False,
    as_json: AsJson = False,
    old_repair: Annotated[bool, typer.Option("--mend", hidden=True)] = False,
) -> None:
    """Compare Postgres, the warehouse and the published marts; exits 1 when a date is not the same in all of them.

    Compared are rows, sums and contents of orders, rule hits and labels by business date, and of users and products by
    month: in Postgres, in the raw tables, in what dbt built of them, and in what was published. The table names the
    first stage that differs: not loaded, loaded by an earlier release, changed since its load (late orders, for
    example), missing in the warehouse, loaded, not built, or built, not published. Where all stages agree, the
    published marts are read row by row.

    Without dates, the orders of today and of later dates are not compared: their number is shown, with `--json` in a
    last line.
    """
    if old_repair:
        ERR.print("--mend is now called --repair", style="yellow")
    first, last = _span(dates) if dates else (EARLIEST, _yesterday())
    with _pipeline() as pipeline:
        found = pipeline.compare(first, last)
        if repair or old_repair:
            with show_progress(None) as step:
                done = pipeline.repair(first, last, found, step)
            found = done.compared
            for error in done.errors:
                ERR.print(error, style="red", markup=False)
        agree = bool(found) and all(each.is_clean for each in found)
        marts = pipeline.differing_marts() if agree else []
        _show_comparison(found, as_json=as_json)
        if as_json and agree:
            print_json({"differing_marts": marts})
        if dates is None:
            _show_not_compared(pipeline.not_compared(last + timedelta(days=1)), as_json=as_json)
        require_published(marts)
        require_clean(found, first, last)
        if dates is not None:
            require_compared(pipeline, found, first, last)


def _yesterday() -> date:
    return business_date(datetime.now(UTC)) - timedelta(days=1)


@app.command()
def retire(
    before: Annotated[str, typer.Option("--before", help="a business date, `2026-01-01`: all earlier orders")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="compare and count, and remove nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Remove the orders of old business dates from Postgres; the warehouse keeps them.

    Refused when the warehouse or the marts do not hold what Postgres holds. Afterwards the dates are frozen: they are
    neither compared nor loaded, and an order that still arrives for one becomes a dead letter. It cannot be undone.
    When it was interrupted, run it again. Needs ORDERWATCH_OWNER_DATABASE_URL, the role that owns the tables.
    """
    day = _retirement_date(before)
    with _pipeline() as pipeline:
        retirement = pipeline.retirement()
        try:
            plan = retirement.plan(day)
            OUT.print(
                f"{plan.total:,} orders of {len(plan.orders):,} dates before {day} are in Postgres, and unchanged in "
                "the warehouse"
            )
            if dry_run:
                return
            question = f"Remove them, and store no order of a date before {day} any more?"
            require_confirmation(PROGRAM, question, yes=yes)
            retirement.freeze(day)
        except RetirementError as error:
            raise failure(PROGRAM, str(error)) from None
        removed = 0
        with show_bar("removing orders", plan.total) as advance:
            for count in retirement.remove():
                removed += count
                advance(count)
        OUT.print(f"removed {removed:,} orders from Postgres")


@app.command()
def export(
    dates: Dates,
    to: Annotated[Path, typer.Option("--to", help="the folder to write to; dates that it holds are replaced")],
) -> None:
    """Write the decided orders of some dates to Parquet files, from DuckDB or BigQuery, as the warehouse holds them.

    `fraud-detector replay --source FOLDER` decides them again. The files hold customers' data; they are readable by
    their user alone. Exits 1 when the warehouse holds no order of these dates.
    """
    first, last = _span(dates)
    orders = rule_hits = 0
    with _pipeline() as pipeline:
        with show_bar("exporting dates", (last - first).days + 1) as advance:
            try:
                for done in pipeline.export(first, last, to):
                    orders, rule_hits = orders + done.orders, rule_hits + done.rule_hits
                    advance(1)
            except OSError as error:
                raise failure(PROGRAM, f"{to} cannot be written to: {error}", ExitCode.USAGE) from None
        if not orders:
            raise failure(PROGRAM, f"the warehouse holds no order of {dates_text(first, last)}: make batch loads dates")
        OUT.print(
            f"{dates_text(first, last)}: {orders:,} orders and {rule_hits:,} hits of rules are below {to}",
            markup=False,
            soft_wrap=True,
        )


@app.command("erase-user")
def erase_user(
    user_id: Annotated[str, typer.Argument(help="the user to erase")],
    by: Annotated[str | None, typer.Option("--by", help="who orders it, for the record; else the Unix user")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Replace what identifies a user: in Postgres, in raw tables, also of frozen dates, and in all models and marts.

    Amounts, products, times and decisions stay, under a pseudonym that nothing links to the user. It cannot be undone.
    When it was interrupted, run it again. Needs ORDERWATCH_OWNER_DATABASE_URL, the role that owns the tables.
    """
    with _pipeline() as pipeline:
        erasure = pipeline.erasure()
        found = erasure.count(user_id)
        OUT.print(f"Postgres holds {found.orders:,} orders and {found.versions:,} versions of this user")
        require_confirmation(PROGRAM, "Erase this user?", yes=yes)
        with show_progress(3) as step:
            step("Postgres and the raw tables")
            erasure.replace(user_id, by or getpass.getuser())
            step("building all models again")
            yesterday = _yesterday()
            pipeline.build(yesterday, yesterday, full_refresh=True).require_success()
            step("marts")
            pipeline.publish()
        erasure.finish(user_id)
        OUT.print("erased, and recorded in table erasures")


def _retirement_date(text: str) -> date:
    try:
        day = parse_business_date(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--before") from None
    if day > (today := business_date(datetime.now(UTC))):
        raise typer.BadParameter(f"{day} is in the future; at most today, {today}", param_hint="--before")
    return day


@contextmanager
def _pipeline() -> Iterator[BatchPipeline]:
    """The pipeline as the settings say; expected failures end in a sentence and exit code 1."""
    settings = read_settings(BatchSettings)
    try:
        # What is done shows in the progress; the log is for what goes wrong, unless asked for.
        quiet = settings.model_copy(update={"log_level": "WARNING"})
        configure_logging(settings if "log_level" in settings.model_fields_set else quiet, PROGRAM)
        with open_pipeline(settings) as pipeline:
            yield pipeline
    except psycopg.OperationalError as error:
        raise failure(
            PROGRAM,
            f"Postgres does not answer: {error}\nIs it up? `make status`; ORDERWATCH_DATABASE_URL says where it is.",
            ExitCode.UNAVAILABLE,
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise failure(
            PROGRAM,
            f"the database role of ORDERWATCH_DATABASE_URL may not do this: {error}\n"
            "Loading and publishing are the batch role's: `. .orderwatch/batch.env`; changing orders is the "
            "owner's: ORDERWATCH_OWNER_DATABASE_URL, as in .orderwatch/migrate.env; see docs/security.md",
            ExitCode.USAGE,
        ) from None
    except psycopg.errors.UndefinedTable as error:
        raise failure(
            PROGRAM,
            f"{error}\nThe database is older than this version: run `orderwatch migrate`.",
            ExitCode.UNAVAILABLE,
        ) from None
    except psycopg.Error as error:
        raise failure(PROGRAM, f"Postgres refuses: {error}", ExitCode.UNAVAILABLE) from None
    except duckdb.Error as error:
        raise failure(
            PROGRAM, f"the warehouse {settings.warehouse_path} refuses: {error}", ExitCode.UNAVAILABLE
        ) from None
    except (WarehouseError, WarehouseUnavailableError) as error:
        raise failure(PROGRAM, str(error), ExitCode.UNAVAILABLE) from None
    except DbtError as error:
        raise failure(PROGRAM, str(error)) from None


def _span(dates: str) -> tuple[date, date]:
    """The first and the last date; one that has not begun is refused, as no load takes its orders yet."""
    today = datetime.now(BUSINESS_ZONE).date()
    try:
        first, last = parse_business_dates(dates, today)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if last > today:
        raise typer.BadParameter(f"{last} is in the future; write a date up to today, {today}")
    return first, last


def _show_build(build: Build) -> None:
    OUT.print(f"dbt: {build.summary()}")


def _ids(text: str) -> list[str]:
    """One a line, or ended by NUL, which no id holds: an id may hold a line break."""
    return [order_id for order_id in text.split("\0" if "\0" in text else "\n") if order_id]


def _show_order(order: LoadedOrder) -> None:
    OUT.print(printable(f"order {order.order_id}"), style="bold", markup=False)
    OUT.print(order_table(order))
    if order.row is None:
        OUT.print(f"  the warehouse does not hold it: `make batch DATE={order.business_date}` loads its date")


def _show_comparison(found: Sequence[Comparison], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print_json(comparison_json(each))
    elif found:
        OUT.print(comparison_table(found))


def _show_not_compared(found: NotCompared, *, as_json: bool) -> None:
    if as_json:
        print_json(not_compared_json(found))
    elif (text := not_compared_text(found)) is not None:
        OUT.print(text)


def _show_marts(pipeline: BatchPipeline, rows: int) -> None:
    found = list(pipeline.first_rows(rows))
    if not found:
        raise failure(PROGRAM, "no mart is published yet: run `make batch DATE=...`")
    for mart in found:
        OUT.print(mart_table(mart, OUT.width))
