"""What the batch side's tests share: a real PostgreSQL with the schema and orders of the stream, and a warehouse.

database_url      a migrated database of the test
connection        a connection to it
dbt_project       a copy of the dbt project, whose dbt starts at once
without_data_tests  builds of models alone
open_warehouse    a connection that keeps the DuckDB file open, for tests that open it often
settings          BatchSettings on these, with a DuckDB file of the test; the environment says the same
store_orders      stores decided orders of past days, as the stream would have
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import structlog

from order_batch.app import connect
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Dbt
from order_batch.warehouse.duckdb import SETTINGS, connect_when_free

from .preloaded_dbt import preload_dbt

ROOT = Path(__file__).resolve().parents[2]
DBT = ROOT / "dbt"
# The services' environment: their pins clash with Airflow's, so their code runs as processes of its own.
SERVICES_PYTHON = ROOT / ".venv" / "bin" / "python"

StoreOrders = Callable[[date, int, int], None]
"""First business date, number of days, number of orders."""


@contextmanager
def _service(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [SERVICES_PYTHON, "-m", *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


@pytest.fixture(autouse=True)
def uncached_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger that a command used would keep writing to that command's streams, which are closed at its end."""
    configure = structlog.configure

    def configure_uncached(**settings: Any) -> None:
        configure(**{**settings, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_uncached)


@pytest.fixture(scope="session")
def databases() -> Iterator[Callable[[str], str]]:
    """What gives databases out: `take` returns the URL of a migrated, empty one, and `give URL` takes it back.

    `store URL START DAYS ORDERS` stores decided orders of past days in one.
    """
    with _service("tests.support.served_postgres") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, lines = process.stdin, process.stdout
        lines.readline()

        def ask(command: str) -> str:
            commands.write(f"{command}\n")
            commands.flush()
            return lines.readline().strip()

        yield ask


@pytest.fixture
def database_url(databases: Callable[[str], str]) -> Iterator[str]:
    """A migrated database of the test."""
    url = databases("take")
    yield url
    assert databases(f"give {url}") == "given"


@pytest.fixture(scope="session")
def installed_dbt_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project, as dbt writes into it, with the environment that is installed."""
    folder = _copy_dbt_project(tmp_path_factory)
    (folder / ".venv").symlink_to(DBT / ".venv")
    return folder


@pytest.fixture(scope="session")
def dbt_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the dbt project whose `dbt` starts at once; tests of the process take the installed one."""
    folder = _copy_dbt_project(tmp_path_factory)
    with preload_dbt(DBT, folder):
        yield folder


@pytest.fixture
def settings(database_url: str, dbt_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BatchSettings:
    """Settings of the test's batch side."""
    for name in list(os.environ):
        if name.startswith("ORDERWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDERWATCH_WAREHOUSE_PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("ORDERWATCH_STAGING", str(tmp_path / "staging"))
    monkeypatch.setenv("ORDERWATCH_DBT_PROJECT", str(dbt_project))
    monkeypatch.setenv("DBT_LOG_LEVEL_FILE", "none")  # not read here, and an eighth of a build
    return BatchSettings()


@pytest.fixture
def without_data_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds leave dbt's data tests out, where a test is about the stages of dates: other tests run them."""
    monkeypatch.setenv("MODELS_ONLY", "1")


def copy_model_versions(settings: BatchSettings, project: Path) -> None:
    """Let another project in `project` know the versions of its models, as one that was used before does."""
    Dbt(settings).models()
    (project / "target").mkdir(exist_ok=True)
    shutil.copy2(settings.dbt_project / "target" / "model_versions.duckdb.json", project / "target")


@pytest.fixture
def open_warehouse(settings: BatchSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse as the batch side opens it.

    As long as this process has the file open, opening it again takes no time: else 20 ms of CPU, with which tests that
    publish many times would spend most of theirs. Other processes, such as dbt, cannot open it.
    """
    with connect_when_free(settings.warehouse_path, 0, SETTINGS) as connection:
        yield connection


@pytest.fixture
def connection(settings: BatchSettings) -> Iterator["psycopg.Connection[Any]"]:
    """A connection to the database."""
    with connect(settings) as connection:
        yield connection


@pytest.fixture
def store_orders(databases: Callable[[str], str], database_url: str) -> StoreOrders:
    """Stores decided orders of past days."""

    def store(start: date, days: int, orders: int) -> None:
        assert databases(f"store {database_url} {start} {days} {orders}") == "stored"

    return store


def _copy_dbt_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dbt") / "dbt"
    shutil.copytree(DBT, folder, ignore=shutil.ignore_patterns(".venv", "target", "logs", "tests_python"))
    return folder
