"""Faults on the way: the load is done once, in the end, or its error says what to do."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.cloud.bigquery import client as google_client
from google.resumable_media.requests import _request_helpers

from order_batch.warehouse.bigquery.retry_policy import RetryPolicy
from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError
from order_batch.warehouse.tables import ORDERS, TABLES
from tests.bigquery.warehouse import connected
from tests.fake_bigquery.faults import UPLOAD, CutOff, Fault, LostAnswer, refused
from tests.fake_bigquery.parquet_rows import Failure
from tests.fake_bigquery.server import FakeBigQuery
from tests.staged import NOVEMBER_21, make_rows, partition, stage, totals

ROWS = make_rows(ORDERS, NOVEMBER_21, 3)
PASSING = [
    refused(429, "rateLimitExceeded"), refused(403, "rateLimitExceeded"), refused(403, "jobRateLimitExceeded"),
    refused(500, "internalError"), refused(503, "backendError"), refused(502, ""), CutOff(),
]  # fmt: skip
_FOREVER = 2_000
HASTY = RetryPolicy(0.001, 0.002, job=0.05)


def _load(warehouse: BigQueryWarehouse, folder: Path, rows: list[dict[str, Any]] = ROWS, *, files: int = 1) -> None:
    parts = [rows[number::files] for number in range(files)]
    warehouse.load(ORDERS, partition(ORDERS), stage(ORDERS, folder, *parts), totals(ORDERS, rows))


def _held(fake: FakeBigQuery) -> int:
    return len(fake.storage.table("orderwatch_raw", "orders").rows)


@pytest.mark.parametrize("call", ["jobs.list", "jobs.get", "jobs.insert", "jobs.query"])
@pytest.mark.parametrize("fault", PASSING, ids=str)
def test_transient_faults_are_retried(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, call: str, fault: Fault
) -> None:
    fake.faults.plan(call, fault, fault)
    _load(warehouse, tmp_path)
    assert _held(fake) == len(ROWS)
    assert len(fake.jobs.found) == 1


@pytest.mark.parametrize("call", ["datasets.get", "datasets.insert", "tables.get", "tables.insert"])
@pytest.mark.parametrize("fault", [*PASSING, LostAnswer()], ids=str)
def test_preparing_waits_it_out_too(fake: FakeBigQuery, call: str, fault: Fault) -> None:
    fake.faults.plan(call, fault, fault)
    with connected(fake) as warehouse:
        warehouse.prepare()
    assert len(fake.storage.tables) == len(TABLES)


@pytest.mark.parametrize("fault", [*PASSING, LostAnswer()], ids=str)
def test_emptying_waits_it_out_too(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, fault: Fault
) -> None:
    _load(warehouse, tmp_path)
    fake.faults.plan("tables.delete", fault)
    warehouse.load(ORDERS, partition(ORDERS), [], Totals.empty(ORDERS))
    assert _held(fake) == 0


@pytest.mark.parametrize("files", [1, 2], ids=["in one request", "in a session"])
def test_a_job_whose_answer_got_lost_is_found_again(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, files: int
) -> None:
    fake.faults.plan("jobs.insert" if files == 1 else UPLOAD, LostAnswer())
    _load(warehouse, tmp_path, files=files)
    assert len(fake.made("jobs.insert")) == 1
    assert _held(fake) == len(ROWS)


def test_a_job_that_bigquery_is_slow_to_show_is_found_again(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    """The answer is lost, the job is not found, inserting it again says that it is there."""
    fake.faults.plan("jobs.insert", LostAnswer())
    # The first is the look whether the id is free.
    fake.faults.plan("jobs.get", refused(404, "notFound"), refused(404, "notFound"), refused(404, "notFound"))
    _load(warehouse, tmp_path)
    assert len(fake.jobs.found) == 1
    assert len(fake.made("jobs.insert")) >= 2
    assert _held(fake) == len(ROWS)


@pytest.mark.parametrize("fault", [CutOff(), refused(503, "backendError"), refused(410, "gone")], ids=str)
def test_a_broken_upload_is_restarted(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_client, "_DEFAULT_CHUNKSIZE", 256 * 1024)
    rows = make_rows(ORDERS, NOVEMBER_21, 100, attributes=os.urandom(600_000).hex())
    fake.faults.plan(UPLOAD, fault)
    _load(warehouse, tmp_path, rows, files=2)
    assert _held(fake) == len(rows)
    assert len(fake.sessions.started) == 2


def test_a_piece_of_an_upload_is_sent_again(
    fake: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that arrived, and the last, after which the session is gone."""
    monkeypatch.setattr(google_client, "_DEFAULT_CHUNKSIZE", 256 * 1024)
    slept: list[float] = []
    monkeypatch.setattr(_request_helpers, "time", SimpleNamespace(sleep=slept.append))
    with connected(fake, RetryPolicy(0.001, 0.002, call=1, chunk_retries=3)) as warehouse:
        warehouse.prepare()
        fake.faults.plan(UPLOAD, LostAnswer(), CutOff(), refused(503, "backendError"))
        rows = make_rows(ORDERS, NOVEMBER_21, 100, attributes=os.urandom(600_000).hex())
        _load(warehouse, tmp_path, rows, files=2)
        assert _held(fake) == len(rows)
        assert len(slept) == 3
        assert len(fake.sessions.started) == 1
        fake.faults.plan(UPLOAD, LostAnswer())
        _load(warehouse, tmp_path, files=2)
    assert _held(fake) == len(ROWS)


@pytest.mark.parametrize("call", ["jobs.list", "jobs.get", "jobs.insert", "jobs.query"])
def test_a_used_up_quota_is_not_tried_again(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, call: str
) -> None:
    fake.faults.plan(call, refused(403, "quotaExceeded", "Exceeded quota for load jobs"))
    with pytest.raises(WarehouseUnavailableError, match=r"Exceeded quota for load jobs.*24 hours.*Quotas"):
        _load(warehouse, tmp_path)


def test_a_job_over_the_quota_is_not_started_again(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    fake.jobs.failures.append(Failure("quotaExceeded", "Too many partition modifications"))
    with pytest.raises(WarehouseUnavailableError, match=r"Too many partition modifications.*24 hours"):
        _load(warehouse, tmp_path)
    assert len(fake.jobs.found) == 1


def test_what_does_not_pass_in_time_is_unavailable(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    fake.faults.plan("jobs.query", *[refused(503, "backendError", "try later")] * _FOREVER)
    with pytest.raises(WarehouseUnavailableError, match=r"counting orderwatch_raw\.orders.*try later.*run it again"):
        warehouse.totals(ORDERS, NOVEMBER_21, NOVEMBER_21)
    fake.faults.clear()
    _load(warehouse, tmp_path)


def test_a_server_that_is_not_there_is_unavailable(fake: FakeBigQuery) -> None:
    fake.url = "http://127.0.0.1:1"
    with connected(fake) as warehouse, pytest.raises(WarehouseUnavailableError, match="creating datasets and tables"):
        warehouse.prepare()


@pytest.mark.parametrize("reason", ["backendError", "internalError", "rateLimitExceeded"])
def test_a_job_that_fails_by_bigquerys_fault_is_started_again(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, reason: str
) -> None:
    fake.jobs.failures += [Failure(reason, "stumbled")] * 2
    _load(warehouse, tmp_path)
    assert [job_id[-2:] for job_id in fake.jobs.found] == ["-1", "-2", "-3"]
    assert _held(fake) == len(ROWS)


def test_a_job_that_keeps_failing_is_unavailable(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    fake.jobs.failures += [Failure("backendError", "stumbled")] * 3
    with pytest.raises(WarehouseUnavailableError, match="stumbled"):
        _load(warehouse, tmp_path)
    assert len(fake.jobs.found) == 3
    _load(warehouse, tmp_path)
    assert _held(fake) == len(ROWS)


def test_a_slow_job_is_waited_for(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    fake.jobs.polls = 20
    _load(warehouse, tmp_path)
    assert _held(fake) == len(ROWS)
    assert len(fake.made("jobs.get")) >= 40


def test_a_slow_query_is_waited_for(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    fake.calls.slow_queries = 3
    _load(warehouse, tmp_path)
    assert len(fake.made("jobs.getQueryResults")) >= 3


def test_a_job_that_takes_too_long_is_left_and_found_again(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    fake.jobs.polls = _FOREVER
    with connected(fake, HASTY) as hasty, pytest.raises(WarehouseUnavailableError, match=r"still runs .* Run it again"):
        _load(hasty, tmp_path)
    (job,) = fake.jobs.found.values()
    job.polls = fake.jobs.polls = 3
    _load(warehouse, tmp_path)
    assert len(fake.jobs.found) == 1
    assert _held(fake) == len(ROWS)


def test_a_job_of_other_content_that_still_runs_does_not_undo_the_load(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    """A process was killed while its job ran; a late order arrived in the meantime, and the date is loaded again."""
    fake.jobs.polls = _FOREVER
    with connected(fake, HASTY) as killed, pytest.raises(WarehouseUnavailableError):
        _load(killed, tmp_path, ROWS[:1])
    (job,) = fake.jobs.found.values()
    job.polls = fake.jobs.polls = 3
    _load(warehouse, tmp_path, ROWS)
    assert len(fake.jobs.found) == 2
    assert job.state == "DONE"
    assert _held(fake) == len(ROWS)


def test_emptying_waits_for_a_job_that_still_runs(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    fake.jobs.polls = _FOREVER
    with connected(fake, HASTY) as killed, pytest.raises(WarehouseUnavailableError):
        _load(killed, tmp_path)
    (job,) = fake.jobs.found.values()
    job.polls = fake.jobs.polls = 3
    warehouse.load(ORDERS, partition(ORDERS), [], Totals.empty(ORDERS))
    assert job.state == "DONE"
    assert _held(fake) == 0


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (refused(403, "accessDenied"), "BigQuery Data Editor"),
        (refused(403, "billingNotEnabled"), "billing account"),
        (refused(400, "invalid"), ""),
    ],
    ids=str,
)
def test_what_does_not_pass_says_what_to_do(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, fault: Fault, advice: str
) -> None:
    fake.faults.plan("jobs.insert", fault)
    with pytest.raises(WarehouseError, match=rf"loading orderwatch_raw\.orders\$20261121: .*made to fail.*{advice}"):
        _load(warehouse, tmp_path)


def test_credentials_that_do_not_hold_are_named(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    fake.faults.plan("jobs.insert", refused(401, "authError"))
    with pytest.raises(WarehouseError, match="set GOOGLE_APPLICATION_CREDENTIALS"):
        _load(warehouse, tmp_path)
