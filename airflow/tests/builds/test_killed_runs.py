"""kill -9 in the middle of a load and of dbt: a backfill then gives what an undisturbed run gives."""

import shutil
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
import pytest

from order_batch.settings import BatchSettings
from order_batch.warehouse.file_lock import is_locked
from tests.conftest import StoreOrders, copy_model_versions

pytestmark = pytest.mark.usefixtures("without_data_tests")

FIRST, LAST = date(2026, 11, 18), date(2026, 11, 20)
DATES = f"{FIRST}..{LAST}"
BACKWARDS = (f"2026-11-19..{LAST}", str(FIRST))
WITHIN = 300.0

# `order-batch` as its user runs it, in a world that is three days old: filling years of a catalog takes half a minute.
YOUNG_WORLD = """
from datetime import UTC, datetime
from order_batch.cli import app
from order_batch.catalog import backfill
backfill.BEGINNING = datetime(2026, 11, 17, 17, tzinfo=UTC)
app()
"""


@pytest.fixture
def project(
    settings: BatchSettings, installed_dbt_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The test's own dbt project, which runs take; with the installed dbt, as it is killed here."""
    folder = tmp_path / "dbt"
    shutil.copytree(installed_dbt_project, folder, symlinks=True, ignore=shutil.ignore_patterns("target", "logs"))
    copy_model_versions(settings, folder)
    monkeypatch.setenv("ORDERWATCH_DBT_PROJECT", str(folder))
    return folder


def take_preloaded_dbt(project: Path, preloaded: Path) -> None:
    """Let the project's dbt start at once from here on; what the killed one left in the folder stays."""
    (project / ".venv").unlink()
    (project / ".venv").symlink_to(preloaded / ".venv")


def start(dates: str) -> "subprocess.Popen[bytes]":
    """`order-batch run` as a process."""
    return subprocess.Popen([sys.executable, "-c", YOUNG_WORLD, "run", dates])


def wait_while_it_runs(process: "subprocess.Popen[bytes]", condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition that comes about before the process ends."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert process.poll() is None, f"it ended with {process.returncode} before {what}"
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.002)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """kill -9."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def kill_with_its_dbt(process: "subprocess.Popen[bytes]", warehouse: Path) -> None:
    """kill -9, first of the run alone: dbt, which builds on, keeps others from the file as long as it lives."""
    children = psutil.Process(process.pid).children(recursive=True)
    kill(process)
    assert is_locked(warehouse)
    for child in children:
        child.kill()
    psutil.wait_procs(children, timeout=WITHIN)
    assert not is_locked(warehouse)


def holds_staged_orders(staging: Path) -> bool:
    """Whether a run has extracted orders that are not loaded yet."""
    try:
        return any(staging.glob("run-*/orders/*/*.parquet"))
    except FileNotFoundError:  # the run has deleted its folder in the meantime
        return False


def published(connection: "psycopg.Connection[Any]") -> dict[str, list[tuple[Any, ...]]]:
    """All marts with their rows, in their order; positions depend on what was published before."""
    names = [name for (name,) in connection.execute("select tablename from pg_tables where schemaname = 'marts'")]
    rows = {name: connection.execute(f'select * from marts."{name}" order by position') for name in names}
    return {name: [row[1:] for row in found] for name, found in rows.items()}


def test_what_was_killed_and_backfilled_is_what_one_run_gives(
    settings: BatchSettings, project: Path, connection: "psycopg.Connection[Any]", store_orders: StoreOrders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    store_orders(FIRST, 3, 3_000)
    written = project / "target" / "run"

    run = start(DATES)
    wait_while_it_runs(run, lambda: holds_staged_orders(settings.staging), "orders on their way to the warehouse")
    kill(run)
    run = start(DATES)
    wait_while_it_runs(run, lambda: any(written.rglob("agg_daily_user_orders.sql")), "dbt in the middle of its models")
    kill_with_its_dbt(run, settings.warehouse_path)
    assert not published(connection)

    take_preloaded_dbt(project, settings.dbt_project)
    for dates in BACKWARDS:
        assert start(dates).wait() == 0
    backfilled = published(connection)
    assert len(backfilled) == 6
    assert all(backfilled.values())

    another = settings.warehouse_path.parent / "undisturbed" / settings.warehouse_path.name
    monkeypatch.setenv("ORDERWATCH_WAREHOUSE_PATH", str(another))
    assert start(DATES).wait() == 0
    assert published(connection) == backfilled
