"""dbt as a process: its results are its own."""

import os
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import duckdb
import orjson
import psutil
import pytest

from order_batch.app import open_pipeline
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Dbt
from order_batch.transform.log_lines import NodeEvent, read_line
from order_batch.transform.results import Build, DbtError
from order_batch.warehouse.file_lock import file_lock, is_locked
from tests.conftest import StoreOrders, copy_model_versions

DAY = date(2026, 11, 20)
SUCCESS = {"unique_id": "model.orderwatch.others", "status": "success", "execution_time": 1, "message": "OK"}


# `order-batch` as its user runs it, in a world that is a day old.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background processes ignore it
from datetime import UTC, datetime
from order_platform.command_line.run import run_command
def load():
    from order_batch.catalog import backfill
    from order_batch.cli import app
    backfill.BEGINNING = datetime(2026, 11, 19, 17, tzinfo=UTC)
    return app
run_command("order-batch", load)
"""


@pytest.fixture
def with_installed_dbt(settings: BatchSettings, installed_dbt_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs take the installed dbt, as its process is what is tested."""
    copy_model_versions(settings, installed_dbt_project)
    monkeypatch.setenv("ORDERWATCH_DBT_PROJECT", str(installed_dbt_project))


@pytest.fixture
def loaded(settings: BatchSettings, store_orders: StoreOrders) -> None:
    """Sixty orders of DAY in the warehouse."""
    store_orders(DAY, 1, 60)
    with open_pipeline(settings) as pipeline:
        pipeline.load_orders(DAY)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose dbt ends early, without results."""
    folder = tmp_path / "dbt"
    program = folder / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'the profile is broken'\nexit 2\n")
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("warehouse", ["duckdb", "bigquery"])
def test_what_ran_before_is_not_taken_for_ones_own_results(
    settings: BatchSettings, project: Path, monkeypatch: pytest.MonkeyPatch, warehouse: str
) -> None:
    monkeypatch.setenv("ORDERWATCH_DBT_PROJECT", str(project))
    monkeypatch.setenv("ORDERWATCH_WAREHOUSE", warehouse)
    dbt = Dbt(BatchSettings())
    found: list[Build | DbtError] = []

    def build() -> None:
        try:
            found.append(dbt.build(DAY, DAY))
        except DbtError as error:
            found.append(error)

    # Another run has the project, and leaves its results while this one waits.
    with file_lock(project / "target" / "order-batch"):
        waiting = threading.Thread(target=build)
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive()
        (project / "target" / "run_results.json").write_bytes(orjson.dumps({"results": [SUCCESS]}))
        (project / "target" / "manifest.json").write_bytes(orjson.dumps({"nodes": {}}))
    waiting.join()
    (outcome,) = found
    assert not isinstance(outcome, Build)
    assert "did not run" in str(outcome)
    assert "the profile is broken" in str(outcome)


def test_dbt_takes_over_what_it_parsed_last(settings: BatchSettings, project: Path) -> None:
    (project / ".venv" / "bin" / "python").write_text('#!/bin/sh\necho "$@" >"$DBT_PROFILES_DIR/arguments"\nexit 2\n')
    dbt = Dbt(settings.model_copy(update={"dbt_project": project}))

    def read_arguments() -> str:
        with pytest.raises(DbtError, match="did not run"):
            dbt.build(DAY, DAY)
        return (project / "arguments").read_text()

    assert "--partial-parse-file-path" not in read_arguments()
    earlier, later = (project / "target" / name for name in ("partial_parse.msgpack", "parse/partial_parse.msgpack"))
    later.parent.mkdir()
    for number, path in enumerate((earlier, later)):
        path.touch()
        os.utime(path, (number, number))
    assert f"--partial-parse-file-path {later}\n" in read_arguments()
    os.utime(earlier)
    assert f"--partial-parse-file-path {earlier}\n" in read_arguments()


def test_without_a_run_there_is_no_manifest(settings: BatchSettings, project: Path) -> None:
    with pytest.raises(DbtError, match="make batch DATE="):
        Dbt(settings.model_copy(update={"dbt_project": project})).manifest()


def test_lines_come_while_dbt_runs_and_results_have_rows(settings: BatchSettings, loaded: None) -> None:
    events: list[NodeEvent] = []
    build = Dbt(settings).build(DAY, DAY, events.append)
    build.require_success()
    started = [event.name for event in events if not event.ended]
    assert [event.name for event in events if event.ended] == started
    assert "silver.fct_orders" in started
    assert {event.total for event in events} == {events[0].total}
    facts = next(each for each in build.results if each.name == "fct_orders")
    assert facts.rows == 60
    assert "model fct_orders: built, 60 rows, " in facts.line()
    assert not any(each.kind == "unit_test" for each in build.results)
    models = sum(each.kind == "model" for each in build.results)
    assert f"{models} models built" in build.summary()
    assert "no-op" not in build.summary()


def test_a_failing_test_shows_its_first_rows_and_its_sql(settings: BatchSettings, loaded: None) -> None:
    with duckdb.connect(settings.warehouse_path) as warehouse:
        warehouse.execute(
            "update raw.orders set status = 'suspicious' where order_id < (select median(order_id) from raw.orders)"
        )
    build = Dbt(settings).build(DAY, DAY)
    with pytest.raises(DbtError) as failure:
        build.require_success()
    told = str(failure.value)
    assert "test accepted_values_fct_orders_status__fraud__genuine failed" in told
    assert "row: value_field=suspicious, n_records=" in told
    assert "its SQL: target/compiled/" in told
    assert "The published marts stay as they were" in told
    assert Dbt(settings).manifest()["metadata"]["invocation_id"]


def test_an_interrupt_stops_the_installed_dbt_too(
    settings: BatchSettings, loaded: None, with_installed_dbt: None
) -> None:
    assert_stops_with_its_dbt(settings, signal.SIGINT)


def test_sigterm_stops_dbt_too(settings: BatchSettings, loaded: None) -> None:
    assert_stops_with_its_dbt(settings, signal.SIGTERM)


def assert_stops_with_its_dbt(settings: BatchSettings, number: signal.Signals) -> None:
    """A run that gets a signal while dbt builds ends as signals do, and leaves neither processes nor locks."""
    command = [sys.executable, "-c", INTERRUPTIBLE, "run", str(DAY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        children: list[psutil.Process] = []
        for line in run.stdout:
            if "silver.fct_orders" in line:
                children = psutil.Process(run.pid).children(recursive=True)
                break
        assert children
        run.send_signal(number)
        rest = run.stdout.read()
    assert run.returncode == 128 + number
    assert "Traceback" not in rest
    assert not any(is_alive(child) for child in children)
    assert not is_locked(settings.warehouse_path)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process is there and more than an entry that its parent has not collected."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "{}", '{"info": {}, "data": {}}', "[1]"])
def test_a_line_that_is_not_of_the_log_is_a_problem_to_show(line: str) -> None:
    found = read_line(line + "\n")
    assert (found.text, found.is_problem, found.event, found.preview) == (line, True, None, None)


def test_pages_have_the_types_of_the_warehouse(settings: BatchSettings, loaded: None) -> None:
    written = orjson.loads((Dbt(settings).write_pages() / "catalog.json").read_bytes())
    columns = written["sources"]["source.orderwatch.raw.orders"]["columns"]
    assert {name: columns[name]["type"] for name in ("order_id", "amount", "business_date")} == {
        "order_id": "VARCHAR", "amount": "BIGINT", "business_date": "DATE",
    }  # fmt: skip


def test_pages_without_a_warehouse_make_none(settings: BatchSettings) -> None:
    folder = Dbt(settings).write_pages()
    assert (folder / "index.html").exists()
    assert orjson.loads((folder / "catalog.json").read_bytes())["sources"] == {}
    assert not settings.warehouse_path.exists()


def test_pages_that_cannot_be_written_say_why(settings: BatchSettings, project: Path) -> None:
    with pytest.raises(DbtError, match="the profile is broken"):
        Dbt(settings.model_copy(update={"dbt_project": project})).write_pages()


def test_a_project_that_cannot_be_parsed_says_why(settings: BatchSettings, project: Path) -> None:
    (project / "dbt_project.yml").write_text("name: broken\n")
    earlier = project / "target" / "parse" / "manifest.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text('{"nodes": {}, "macros": {}}')
    with pytest.raises(DbtError, match="dbt parse did not run:\nthe profile is broken"):
        Dbt(settings.model_copy(update={"dbt_project": project})).models()
