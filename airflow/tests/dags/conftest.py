"""Airflow for tests: a home and a metadata database of the run's own, made before Airflow is first imported."""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"
_home = tempfile.mkdtemp(prefix="orderwatch-airflow-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ |= {
    "AIRFLOW_HOME": _home,
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_home}/airflow.db",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

At = Callable[[datetime], None]
"""Sets the clock that DAGs read."""
RunDag = Callable[..., dict[str, str]]
"""DAG id, business date or hour -> state of each task by its id (and map index)."""
Repeat = Callable[[str, str], str]
"""DAG id, task id -> state of the task, which is cleared alone in the DAG's last run and runs again."""


@pytest.fixture(scope="session")
def bag() -> "DagBag":
    """All DAGs, with a metadata database and the pool that tasks of the warehouse want."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415  (after the environment is set)
    from airflow.models.pool import Pool  # noqa: PLC0415
    from airflow.utils.db import initdb  # noqa: PLC0415

    initdb()
    Pool.create_or_update_pool("warehouse", slots=1, description="", include_deferred=False)
    return DagBag(str(DAGS))


@pytest.fixture(scope="session")
def synced_bag(bag: "DagBag") -> "DagBag":
    """All DAGs, as the scheduler and the API read them from the metadata database."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db  # noqa: PLC0415

    manager = DagBundlesManager()  # type: ignore[no-untyped-call]
    manager.sync_bundles_to_db()
    for bundle in manager.get_all_dag_bundles():
        bundle.initialize()
        found = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        sync_bag_to_db(found, bundle.name, bundle.version)
    return bag


@pytest.fixture
def run_dag(bag: "DagBag", settings: object, monkeypatch: pytest.MonkeyPatch) -> RunDag:
    """Runs a DAG to its end, in this process, without waiting between tries."""
    from airflow.models import dagrun  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    def run(dag_id: str, day: date | None = None, hour: datetime | None = None) -> dict[str, str]:
        dag: Any = bag.dags[dag_id]
        for task in dag.tasks:
            monkeypatch.setattr(task, "retries", 0)

        def create(key: str | None, *, dag: Any, **arguments: Any) -> Any:
            session = arguments["session"]
            earlier = select(dagrun.DagRun).filter_by(dag_id=dag.dag_id, logical_date=arguments["logical_date"])
            for run in session.scalars(earlier) if hour else ():
                session.delete(run)
            session.commit()
            return dag.create_dagrun(**arguments, run_type="manual", state="running", partition_key=key)

        key = None if day is None else day.isoformat()
        monkeypatch.setattr(dagrun, "get_or_create_dagrun", partial(create, key))
        done = dag.test(logical_date=hour, run_after=hour or datetime.now(UTC))
        return {
            each.task_id if each.map_index < 0 else f"{each.task_id}[{each.map_index}]": str(each.state)
            for each in done.get_task_instances()
        }

    return run


@pytest.fixture
def repeat(bag: "DagBag", settings: object) -> Repeat:
    """Clears one task of the last run of a DAG, and runs it again."""
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from airflow.sdk.definitions.dag import _run_task  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    def clear_and_run(dag_id: str, task_id: str) -> str:
        with create_session() as session:
            last = select(DagRun).filter_by(dag_id=dag_id).order_by(DagRun.id.desc()).limit(1)
            run = session.scalars(last).one()
            instance: Any = run.get_task_instance(task_id, session=session)
            instance.set_state(None, session=session)
            instance.set_state("scheduled", session=session)
            session.commit()
            instance.task = bag.dags[dag_id].get_task(task_id)
            _run_task(ti=instance, task=instance.task)
            session.expire_all()
            again = run.get_task_instance(task_id, session=session)
            return str(again and again.state)

    return clear_and_run


@pytest.fixture
def at(bag: "DagBag", monkeypatch: pytest.MonkeyPatch) -> At:
    """Sets the clock that DAGs read."""

    def set_clock(moment: datetime) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return cls.fromtimestamp(moment.timestamp(), tz)

        tasks: list[Any] = [task for dag in bag.dags.values() for task in dag.tasks]
        for task in tasks:
            if hasattr(task, "python_callable"):
                monkeypatch.setitem(task.python_callable.__globals__, "datetime", Clock)

    return set_clock
