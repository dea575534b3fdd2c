"""`order-batch` as its user types it."""

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import psycopg
import pytest
import structlog
import typer
from rich.console import Console
from typer.testing import CliRunner

from order_batch.app import open_pipeline
from order_batch.catalog import backfill
from order_batch.cli import app
from order_batch.output import format_value, mart_table
from order_batch.publish.marts import FirstRows
from order_batch.settings import BatchSettings
from order_contract.business_time import BUSINESS_ZONE

from .conftest import StoreOrders
from .test_load import FIRST


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """What runs it, on a terminal wide enough; its logging goes with it, as it ends with the runner's streams."""
    monkeypatch.setenv("COLUMNS", "200")
    yield CliRunner()
    structlog.reset_defaults()


def test_the_old_name_of_repair_names_the_new_one(settings: BatchSettings, run: CliRunner) -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    (old,) = (option.opts[0] for option in command.commands["reconcile"].params if getattr(option, "hidden", False))
    result = run.invoke(app, ["reconcile", old])
    assert result.exit_code == 0
    assert "is now called --repair" in result.stderr


def test_reconcile_shows_both_sides_and_says_what_to_do(
    settings: BatchSettings, run: CliRunner, store_orders: StoreOrders
) -> None:
    store_orders(FIRST, 1, 200)
    result = run.invoke(app, ["reconcile"])
    assert result.exit_code == 1
    assert "not loaded" in result.stdout
    assert f"dirty: {FIRST}" in result.stderr
    assert "--repair" in result.stderr
    with open_pipeline(settings) as pipeline:
        pipeline.load_orders(FIRST)
    result = run.invoke(app, ["reconcile", str(FIRST)])
    assert result.exit_code == 1
    assert result.stdout.count("loaded, not built") == 2
    result = run.invoke(app, ["reconcile", "--json"])
    stages = orjson.loads(result.stdout.splitlines()[0])
    assert (stages["partition"], stages["state"]) == (str(FIRST), "loaded, not built")
    assert stages["postgres"] == stages["warehouse"]
    assert stages["built"]["rows"] == stages["published"]["rows"] == 0
    with duckdb.connect(settings.warehouse_path) as warehouse:
        warehouse.execute("delete from raw.orders where order_id = (select min(order_id) from raw.orders)")
    result = run.invoke(app, ["reconcile"])
    assert (result.exit_code, result.stdout.count("differs")) == (1, 1)
    assert "199" in result.stdout


def test_reconcile_says_how_many_orders_it_does_not_compare(
    settings: BatchSettings,
    run: CliRunner,
    store_orders: StoreOrders,
    connection: "psycopg.Connection[Any]",
) -> None:
    today = datetime.now(BUSINESS_ZONE).date()
    store_orders(today - timedelta(days=1), 1, 10)
    result = run.invoke(app, ["reconcile"])
    assert "not compared" not in result.output
    move = (
        "update orders set created_date = %s where order_id in "
        "(select order_id from orders where created_date < %s order by 1 limit %s)"
    )
    midnight = datetime(today.year, today.month, today.day, tzinfo=BUSINESS_ZONE)
    connection.execute(move, [midnight, midnight, 4])
    connection.execute(move, [midnight + timedelta(days=1), midnight, 3])
    result = run.invoke(app, ["reconcile"])
    assert result.exit_code == 1
    assert f"not compared: 4 orders of {today}, which is not over, and 3 orders of later dates" in result.stdout
    result = run.invoke(app, ["reconcile", "--json"])
    lines = [orjson.loads(line) for line in result.stdout.splitlines()]
    counted = {"today": str(today), "orders_of_today": 4, "orders_of_later_dates": 3}
    assert lines[-1] == {"not_compared": counted}
    assert sum(line["postgres"]["rows"] for line in lines[:-1] if line["table"] == "orders") == 3
    result = run.invoke(app, ["reconcile", str(today - timedelta(days=1)), "--json"])
    assert "not_compared" not in result.stdout


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ("2026-11-31", "no calendar has it"),
        ("yesterday", "is not a date"),
        ("2026-11-20..2026-11-18", "ends before"),
        ("1999-12-31", "is not a date between"),
        ("..2026-11-18", "has no first date"),
        ("2000-01-01..2100-12-31", "at most"),
        ("2100-01-01..", "would end yesterday"),
    ],
)
def test_an_invalid_date_is_named(run: CliRunner, dates: str, told: str) -> None:
    result = run.invoke(app, ["run", dates])
    assert result.exit_code == 2
    assert dates in result.stderr
    assert told in " ".join(result.stderr.split())


def test_before_the_first_run_there_are_no_marts(settings: BatchSettings, run: CliRunner) -> None:
    result = run.invoke(app, ["marts"])
    assert result.exit_code == 1
    assert "make batch DATE=" in result.stderr


def test_a_database_that_does_not_answer(
    settings: BatchSettings, run: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", "postgresql://unknown:secret@127.0.0.1:1/none")
    result = run.invoke(app, ["marts"])
    assert result.exit_code == 3
    assert "Postgres does not answer" in result.stderr
    assert "secret" not in result.output


@pytest.mark.parametrize("command", ["run", "reconcile"])
def test_a_date_in_the_future_is_refused(settings: BatchSettings, run: CliRunner, command: str) -> None:
    today = datetime.now(BUSINESS_ZONE).date()
    for dates in (f"{today + timedelta(days=40)}", f"{today}..{today + timedelta(days=1)}"):
        result = run.invoke(app, [command, dates])
        assert result.exit_code == 2
        assert f"is in the future; write a date up to today, {today}" in " ".join(result.stderr.split())


def test_a_run_without_orders_says_what_it_did_not_do(
    settings: BatchSettings, run: CliRunner, store_orders: StoreOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "BEGINNING", datetime.now(UTC) - timedelta(days=2))  # filling years takes long
    yesterday = datetime.now(BUSINESS_ZONE).date() - timedelta(days=1)
    result = run.invoke(app, ["run", f"{yesterday}.."])
    assert result.exit_code == 1, result.output
    assert f"there are no orders of {yesterday} (Postgres holds none of any date): loaded 0 orders, 0 " in result.stderr
    assert "nothing was built, published or compared" in result.stderr
    store_orders(FIRST, 2, 10)
    for dates in (f"{FIRST - timedelta(days=900)}", f"{FIRST - timedelta(days=2)}..{FIRST - timedelta(days=1)}"):
        result = run.invoke(app, ["run", dates])
        assert result.exit_code == 1, result.output
        assert f"(Postgres holds those of {FIRST} to {FIRST + timedelta(days=1)})" in result.stderr


def test_a_comparison_of_dates_without_orders_is_not_an_agreement(
    settings: BatchSettings, run: CliRunner, store_orders: StoreOrders
) -> None:
    result = run.invoke(app, ["reconcile"])
    assert (result.exit_code, "nothing was compared" in result.stderr) == (0, True), result.output
    before = FIRST - timedelta(days=1)
    result = run.invoke(app, ["reconcile", str(before)])
    assert result.exit_code == 1, result.output
    assert f"there are no orders of {before}" in result.stderr
    assert "no orders were compared" in result.stderr
    store_orders(FIRST, 1, 10)
    result = run.invoke(app, ["reconcile", str(before)])
    assert f"(Postgres holds those of {FIRST} to {FIRST})" in result.stderr


def test_a_time_of_a_mart_is_business_time_whatever_the_machine_s_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = set()
    for zone in ("UTC", "Asia/Jakarta", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        local, aware = datetime(2026, 11, 21, 0, 30), datetime(2026, 11, 20, 17, 30, tzinfo=UTC)  # noqa: DTZ001
        shown |= {format_value(local), format_value(aware), format_value(aware.astimezone())}
    monkeypatch.undo()
    time.tzset()
    assert shown == {"2026-11-21 00:30 WIB"}


def test_ids_are_shown_as_they_are_and_steer_nothing(
    settings: BatchSettings, run: CliRunner, connection: "psycopg.Connection[Any]"
) -> None:
    ids = ["[/red]", "[bold]x[/bold]", "esc\x1b[31mRED", "tab\there"]
    connection.execute("create table marts.mart_users (position bigint, user_id text, total_orders bigint)")
    for position, user_id in enumerate(ids):
        connection.execute("insert into marts.mart_users values (%s, %s, 1)", [position, user_id])
    connection.execute("insert into published_marts values ('mart_users', 'Users.', 4, gen_random_uuid())")
    result = run.invoke(app, ["marts"])
    assert result.exit_code == 0, result.output
    assert "[/red]" in result.stdout
    assert "[bold]x[/bold]" in result.stdout
    assert "esc\N{REPLACEMENT CHARACTER}[31mRED" in result.stdout
    assert "\x1b[31m" not in result.stdout
    assert "\t" not in result.stdout


@pytest.mark.parametrize("width", [60, 100, 240])
def test_no_number_of_a_mart_is_cut_off(width: int) -> None:
    columns = [f"total_of_something_{place}" for place in range(6)]
    mart = FirstRows("mart_users", columns, [(123_456_789_012_345,) * 6, (2,) * 6])
    console = Console(width=width, file=io.StringIO())
    console.print(mart_table(mart, width))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown.count("123,456,789,012,345") == 6
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert all(column in shown for column in columns)
    assert max(map(len, shown.splitlines())) <= width


def test_export_writes_dates_and_says_where_there_are_none(
    settings: BatchSettings, run: CliRunner, store_orders: StoreOrders, tmp_path: Path
) -> None:
    store_orders(FIRST, 1, 20)
    folder = tmp_path / "export"
    none = run.invoke(app, ["export", str(FIRST), "--to", str(folder)])
    assert none.exit_code == 1
    assert "holds no order" in none.stderr
    with open_pipeline(settings) as pipeline:
        pipeline.load_orders(FIRST)
    done = run.invoke(app, ["export", str(FIRST), "--to", str(folder)])
    assert done.exit_code == 0, done.stderr
    assert "20 orders" in done.stdout
    (file,) = (folder / "orders").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    refused = run.invoke(app, ["export", str(FIRST), "--to", str(file)])
    assert refused.exit_code == 2
    assert str(file) in refused.stderr
