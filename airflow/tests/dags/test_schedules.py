"""The DAGs as Airflow reads them: they import, have no cycle, and mean the right dates in Asia/Jakarta."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from airflow.sdk.exceptions import AirflowFailException

import dag_defaults
from dag_defaults import run_date
from order_contract.business_time import BUSINESS_ZONE, business_date

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

DAG_IDS = {"catalog", "warehouse_load", "transform", "reconcile", "quality"}


def test_all_dags_import(bag: "DagBag") -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == DAG_IDS


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_every_task_ends_is_repeated_and_explained(bag: "DagBag", dag_id: str) -> None:
    dag: Any = bag.dags[dag_id]
    dag.check_cycle()
    assert dag.doc_md
    assert dag.description
    for task in dag.tasks:
        assert task.execution_timeout is not None, task.task_id
        assert task.retries >= 2 or task.task_id == "results", task.task_id
        assert task.retry_exponential_backoff > 1
        assert task.on_failure_callback
        assert task.doc_md, task.task_id


def test_tasks_that_open_the_warehouse_take_turns(bag: "DagBag") -> None:
    takes_turns = {
        (dag_id, task.task_id) for dag_id, dag in bag.dags.items() for task in dag.tasks if task.pool == "warehouse"
    }
    assert takes_turns == {
        ("warehouse_load", "load_orders"), ("warehouse_load", "load_users"), ("warehouse_load", "load_products"),
        ("transform", "build"), ("transform", "publish"), ("quality", "check_freshness"),
        ("reconcile", "compare"), ("reconcile", "repair"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("now", "business_date"),
    [
        # 00:30 in Jakarta is 17:30 of the day before in UTC.
        (datetime(2026, 11, 21, 17, 30, tzinfo=UTC), "2026-11-21"),
        (datetime(2026, 11, 30, 17, 30, tzinfo=UTC), "2026-11-30"),
        (datetime(2026, 12, 31, 17, 30, tzinfo=UTC), "2026-12-31"),
        (datetime(2028, 2, 28, 17, 30, tzinfo=UTC), "2028-02-28"),
        (datetime(2028, 2, 29, 17, 30, tzinfo=UTC), "2028-02-29"),
    ],
)
def test_the_load_is_for_the_day_that_ended_half_an_hour_ago(bag: "DagBag", now: datetime, business_date: str) -> None:
    (info,) = _runs(bag, "warehouse_load", now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert info.run_after == now
    assert info.partition_key == business_date
    assert (now.astimezone(BUSINESS_ZONE).date() - timedelta(days=1)).isoformat() == business_date


def test_each_business_date_is_loaded_once(bag: "DagBag") -> None:
    start = datetime(2026, 10, 28, tzinfo=UTC)
    keys = [info.partition_key for info in _runs(bag, "warehouse_load", start, start + timedelta(days=40))]
    assert keys == [(start + timedelta(days=number)).date().isoformat() for number in range(40)]


@pytest.mark.parametrize(
    ("now", "business_date"),
    [
        # 23:59 and 00:00 in Jakarta.
        (datetime(2026, 11, 20, 16, 59, 59, 999_999, UTC), "2026-11-19"),
        (datetime(2026, 11, 20, 17, tzinfo=UTC), "2026-11-20"),
        (datetime(2026, 11, 30, 16, 59, tzinfo=UTC), "2026-11-29"),
        (datetime(2026, 11, 30, 17, tzinfo=UTC), "2026-11-30"),
        (datetime(2026, 12, 31, 17, tzinfo=UTC), "2026-12-31"),
        (datetime(2028, 2, 29, 17, tzinfo=UTC), "2028-02-29"),
    ],
)
def test_a_run_by_hand_is_for_yesterday_unless_it_has_a_key(
    monkeypatch: pytest.MonkeyPatch, now: datetime, business_date: str
) -> None:
    monkeypatch.setattr(dag_defaults, "datetime", Mock(now=Mock(return_value=now)))
    assert run_date(None, now).isoformat() == business_date
    assert run_date("2026-10-31", now).isoformat() == "2026-10-31"
    # Cleared and repeated a week later.
    monkeypatch.setattr(dag_defaults, "datetime", Mock(now=Mock(return_value=now + timedelta(days=7))))
    assert run_date(None, now).isoformat() == business_date


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("yesterday", "is not a date; write one such as 2026-11-20"),
        ("2026-11-31", "no calendar has it"),
        (f"{business_date(datetime.now(UTC))}", "is not over in Asia/Jakarta"),
        ("2099-01-01", "is not over in Asia/Jakarta"),
    ],
)
def test_a_key_that_cannot_be_loaded_is_refused_without_retries(key: str, told: str) -> None:
    with pytest.raises(AirflowFailException, match=told):
        run_date(key, datetime.now(UTC))


def test_reconcile_comes_each_morning_when_the_load_of_yesterday_is_over(bag: "DagBag") -> None:
    start = datetime(2026, 11, 29, tzinfo=UTC)
    moments = [info.run_after for info in _runs(bag, "reconcile", start, start + timedelta(days=3))]
    assert [moment.astimezone(BUSINESS_ZONE).isoformat() for moment in moments] == [
        "2026-11-30T06:30:00+07:00", "2026-12-01T06:30:00+07:00", "2026-12-02T06:30:00+07:00",
    ]  # fmt: skip


def test_catalog_hours_follow_one_another(bag: "DagBag") -> None:
    start = datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
    intervals = [info.data_interval for info in _runs(bag, "catalog", start, start + timedelta(hours=4))]
    assert [interval.start for interval in intervals] == [
        datetime(2026, 11, 30, 16, tzinfo=UTC) + timedelta(hours=number) for number in range(3)
    ]
    assert all(interval.end - interval.start == timedelta(hours=1) for interval in intervals)


def _runs(bag: "DagBag", dag_id: str, earliest: datetime, latest: datetime) -> list[Any]:
    """What the scheduler would run of a DAG that saw its last run just before `earliest`."""
    import pendulum  # noqa: PLC0415
    from airflow.serialization.encoders import coerce_to_core_timetable  # noqa: PLC0415
    from airflow.timetables.base import TimeRestriction  # noqa: PLC0415

    timetable = coerce_to_core_timetable(bag.dags[dag_id].timetable)
    restriction = TimeRestriction(pendulum.instance(earliest), pendulum.instance(latest), True)
    runs: list[Any] = []
    info = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    while info is not None and info.run_after <= latest:
        runs.append(info)
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
    return runs
