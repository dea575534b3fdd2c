"""A DuckDB file that another process has open: waited for, and named."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from order_batch.warehouse.duckdb import connect_when_free
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@contextmanager
def held(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The file, open in another process until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_file_that_stays_open_is_named_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with held(path) as process, capture_logs() as logs, pytest.raises(WarehouseUnavailableError) as caught:  # noqa: SIM117
        with connect_when_free(path, 0.5, {}):
            pass
    assert str(path) in str(caught.value)
    assert f"process {process.pid} ({sys.executable} -c import duckdb" in str(caught.value)
    assert len(str(caught.value)) < 600
    [waiting] = logs
    assert (waiting["event"], waiting["path"]) == ("waiting_for_the_warehouse", str(path))
    assert str(process.pid) in waiting["open_in"]


def test_a_file_that_is_closed_in_time_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with held(path) as process:
        assert process.stdin is not None
        process.stdin.close()
        with connect_when_free(path, 60, {}) as connection:
            assert connection.execute("select 1").fetchall() == [(1,)]


def test_a_file_that_is_not_duckdb_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database " * 1000)
    with pytest.raises(WarehouseError, match="cannot be opened as a DuckDB file"):  # noqa: SIM117
        with connect_when_free(tmp_path / "text", 60, {}):
            pass
