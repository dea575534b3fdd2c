"""dbt as a process: its results are its own."""

import threading
from datetime import date
from pathlib import Path

import orjson
import pytest

from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Build, Dbt, DbtError
from order_batch.warehouse.file_lock import file_lock

DAY = date(2026, 11, 20)
SUCCESS = {"unique_id": "model.orderwatch.others", "status": "success", "execution_time": 1, "message": "OK"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose dbt ends early, without results."""
    folder = tmp_path / "dbt"
    program = folder / ".venv" / "bin" / "dbt"
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
    assert "ended with 2" in str(outcome)
    assert "the profile is broken" in str(outcome)


def test_without_a_run_there_is_no_manifest(settings: BatchSettings, project: Path) -> None:
    with pytest.raises(DbtError, match="make batch DATE="):
        Dbt(settings.model_copy(update={"dbt_project": project})).manifest()
