"""Backfills of `warehouse_load`, as they are asked for: by the command, over REST, and as the pages send them."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from order_contract.business_time import business_date

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from fastapi.testclient import TestClient

DATES = ["2026-10-30", "2026-10-31", "2026-11-01"]
AIRFLOW = str(Path(sys.executable).with_name("airflow"))


@pytest.fixture(autouse=True)
def _synced(synced_bag: "DagBag") -> Iterator[None]:
    """The DAGs in the metadata database, without backfills of other tests."""
    from airflow.models.backfill import Backfill, BackfillDagRun  # noqa: PLC0415  (after the environment is set)
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import delete  # noqa: PLC0415

    yield
    with create_session() as session:
        session.execute(delete(BackfillDagRun))
        session.execute(delete(DagRun).where(DagRun.backfill_id.is_not(None)))
        session.execute(delete(Backfill))


@pytest.fixture(scope="module")
def rest(synced_bag: "DagBag") -> Iterator["TestClient"]:
    """Airflow's REST API, logged in."""
    from airflow.api_fastapi.app import create_app, get_auth_manager  # noqa: PLC0415
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415
    from fastapi.testclient import TestClient  # noqa: PLC0415

    app = create_app(apps="core")
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def test_the_command_loads_the_last_date_too() -> None:
    command = [AIRFLOW, "backfill", "create", "--dag-id", "warehouse_load"]
    done = subprocess.run(
        [*command, "--from-date", DATES[0], "--to-date", DATES[-1]], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert backfilled() == DATES


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-10-30T00:00:00+07:00", "2026-11-01T00:00:00+07:00"),
        ("2026-10-30T00:00:00Z", "2026-11-01T00:00:00Z"),
        # What the pages send for these dates in business time: UTC.
        ("2026-10-29T17:00:00.000Z", "2026-10-31T17:00:00.000Z"),
        ("2026-10-30T09:15:00+07:00", "2026-11-01T23:59:59+07:00"),
    ],
)
def test_rest_loads_the_last_date_too(rest: "TestClient", first: str, last: str) -> None:
    body = {"dag_id": "warehouse_load", "from_date": first, "to_date": last, "max_active_runs": 3}
    answer = rest.post("/api/v2/backfills", json=body)
    assert answer.status_code == 200, answer.text
    assert backfilled() == DATES


def test_a_single_date_and_dates_that_are_not_over(rest: "TestClient") -> None:
    today = business_date(datetime.now(UTC))
    body = {
        "dag_id": "warehouse_load", "from_date": f"{today - timedelta(days=1)}T00:00:00+07:00",
        "to_date": f"{today + timedelta(days=30)}T00:00:00+07:00",
    }  # fmt: skip
    answer = rest.post("/api/v2/backfills", json=body)
    assert answer.status_code == 200, answer.text
    assert backfilled() == [str(today - timedelta(days=1))]


def test_runs_are_named_and_found_by_date(rest: "TestClient") -> None:
    body = {"dag_id": "warehouse_load", "from_date": f"{DATES[0]}T00:00:00", "to_date": f"{DATES[-1]}T00:00:00"}
    assert rest.post("/api/v2/backfills", json=body).status_code == 200
    window = {"partition_date_gte": DATES[1], "partition_date_lte": DATES[-1]}
    runs = rest.get("/api/v2/dags/warehouse_load/dagRuns", params=window).json()["dag_runs"]
    assert sorted(run["partition_key"] for run in runs) == DATES[1:]
    assert all(run["dag_run_id"].startswith(f"backfill__{run['partition_key']}__") for run in runs)


def test_a_backfill_waits_for_yesterday_and_not_the_reverse(synced_bag: "DagBag") -> None:
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415
    from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        models = {name: SerializedDagModel.get(name, session=session) for name in synced_bag.dags}
        dags: dict[str, Any] = {name: model.dag for name, model in models.items() if model is not None}

    def weight(dag_id: str, task_id: str, run_id: str) -> int:
        task = dags[dag_id].get_task(task_id)
        weight: int = task.weight_rule.get_weight(TaskInstance(task, dag_version_id=None, run_id=run_id))
        return weight

    yesterday = weight("warehouse_load", "load_orders", "scheduled__2026-11-28__at_1")
    backfill = weight("warehouse_load", "load_orders", "backfill__2026-10-30__at_1")
    build = weight("transform", "build", "asset_triggered__2026-11-29T00:31:00_x")
    assert yesterday > build > backfill
    assert yesterday > build > weight("reconcile", "repair", "scheduled__2026-11-29T06:30:00") > backfill


def backfilled() -> list[str]:
    """Business dates of the runs of the backfill, in its order."""
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    with create_session() as session:
        runs = select(DagRun.partition_key).where(DagRun.backfill_id.is_not(None)).order_by(DagRun.id)
        return [key or "" for key in session.scalars(runs)]
