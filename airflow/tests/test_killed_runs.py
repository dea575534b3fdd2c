"""kill -9 in the middle of a load and of dbt: running again gives what an undisturbed run gives."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import psycopg

from order_batch.settings import BatchSettings

from .conftest import StoreOrders

FIRST, LAST = date(2026, 11, 18), date(2026, 11, 20)
DATES = f"{FIRST}..{LAST}"
WITHIN = 300.0


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    """`order-batch` as a process."""
    return subprocess.Popen([sys.executable, "-m", "order_batch", *arguments], stderr=subprocess.DEVNULL)


def kill_when(process: "subprocess.Popen[bytes]", condition: Callable[[], bool], what: str) -> None:
    """kill -9 as soon as the condition holds."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert process.poll() is None, f"it ended with {process.returncode} before {what}"
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def dbt_of(process: "subprocess.Popen[bytes]") -> bool:
    """Whether dbt runs below it."""
    return any("dbt" in " ".join(child.cmdline()) for child in psutil.Process(process.pid).children(recursive=True))


def published(connection: "psycopg.Connection[Any]") -> dict[str, list[tuple[Any, ...]]]:
    """All marts with their rows, sorted."""
    names = [name for (name,) in connection.execute("select tablename from pg_tables where schemaname = 'marts'")]
    return {name: sorted(connection.execute(f'select * from marts."{name}"').fetchall(), key=repr) for name in names}


def test_runs_that_are_killed_and_repeated_give_what_one_run_gives(
    settings: BatchSettings, connection: "psycopg.Connection[Any]", store_orders: StoreOrders, tmp_path: Path
) -> None:
    store_orders(FIRST, 3, 3_000)
    run = start("run", DATES)
    kill_when(
        run, lambda: any((settings.staging / "orders").rglob("*.json.gz")), "orders on their way to the warehouse"
    )
    run = start("run", DATES)
    kill_when(run, lambda: dbt_of(run), "dbt")
    assert start("run", DATES).wait() == 0
    disturbed = published(connection)
    assert len(disturbed) >= 5
    # Backwards, a date at a time: a backfill.
    for day in (LAST, date(2026, 11, 19), FIRST):
        assert start("run", day.isoformat()).wait() == 0
    assert published(connection) == disturbed
    # An undisturbed run into a new warehouse.
    os.environ["ORDERWATCH_WAREHOUSE_PATH"] = str(tmp_path / "undisturbed.duckdb")
    assert start("run", DATES).wait() == 0
    assert published(connection) == disturbed
