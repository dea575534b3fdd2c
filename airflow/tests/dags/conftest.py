"""Airflow for tests: a home and a metadata database of the run's own, made before Airflow is first imported."""

import atexit
import os
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


@pytest.fixture(scope="session")
def bag() -> "DagBag":
    """All DAGs, with a metadata database and the pool that tasks of the warehouse want."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415  (after the environment is set)
    from airflow.models.pool import Pool  # noqa: PLC0415
    from airflow.utils.db import initdb  # noqa: PLC0415

    initdb()
    Pool.create_or_update_pool("warehouse", slots=1, description="", include_deferred=False)
    return DagBag(str(DAGS))


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
