"""Load jobs: started once whatever happens on the way, waited for, and started again when BigQuery stumbled.

A job's id is made of the partition, the content and a number. When an answer gets lost, the job that was accepted is
found under its id. A job that had ended before is never taken for this one: the partition may have been replaced since.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import cast

import structlog
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud.bigquery import Client, LoadJob, LoadJobConfig, TableReference

from order_batch.warehouse.bigquery_bad_rows import bad_rows
from order_batch.warehouse.bigquery_errors import CONNECTION_ERRORS, passes, reason_passes, refusal
from order_batch.warehouse.bigquery_patience import ANSWER_SECONDS, Patience
from order_batch.warehouse.bigquery_upload import content_digest, open_upload
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError

log = structlog.get_logger()

# To connect, and for each piece sent or answer awaited.
_UPLOAD_SECONDS = (10.0, 300.0)
# BigQuery itself ends load jobs after six hours.
_NO_JOB_IS_OLDER = timedelta(hours=24)


class LoadJobs:
    """Load jobs of one project and location."""

    def __init__(self, client: Client, patience: Patience) -> None:
        self._client = client
        self._patience = patience
        self._retry = patience.retry()

    def replace(self, partition: TableReference, files: Sequence[Path], config: LoadJobConfig) -> None:
        """Replace a partition, `table$20261121`, by the rows of files, in one job; returns when that is done.

        Raises WarehouseError and WarehouseUnavailableError, and what the client raises.
        """
        name = f"{_prefix(partition)}{content_digest(files)}-"
        if self._finished_in_flight(partition, name):
            return
        tries, waits = count(1), self._patience.waits()
        while True:
            job = self._start(self._unused_id(name), partition, files, config)
            failure = self._outcome(job)
            if failure is None:
                return
            if not reason_passes(failure["reason"]) or next(tries) >= self._patience.job_tries:
                raise _job_error(job, failure, files)
            log.warning("load_job_failed", job=job.job_id, reason=failure["reason"], then="started again")
            next(waits)

    def await_in_flight(self, partition: TableReference) -> Sequence[LoadJob]:
        """Wait for jobs that a process before this one left running: ending later, they would undo what comes now."""
        jobs = list(self._in_flight(_prefix(partition)))
        for job in jobs:
            log.info("waiting_for_a_load_job", job=job.job_id, reason="it was started earlier and still runs")
            self._outcome(job)
        return jobs

    def _finished_in_flight(self, partition: TableReference, name: str) -> bool:
        """Whether the one job that was still running has just loaded this content."""
        jobs = self.await_in_flight(partition)
        return len(jobs) == 1 and jobs[0].job_id.startswith(name) and jobs[0].error_result is None

    def _in_flight(self, prefix: str) -> Iterator[LoadJob]:
        since = datetime.now(UTC) - _NO_JOB_IS_OLDER
        for state in ("pending", "running"):
            for job in self._client.list_jobs(
                state_filter=state, min_creation_time=since, retry=self._retry, timeout=ANSWER_SECONDS
            ):
                if job.job_id.startswith(prefix):
                    yield job

    def _unused_id(self, name: str) -> str:
        return next(job_id for number in count(1) if self._find(job_id := f"{name}{number}") is None)

    def _find(self, job_id: str) -> LoadJob | None:
        try:
            found = self._client.get_job(
                job_id, location=self._client.location, retry=self._retry, timeout=ANSWER_SECONDS
            )
        except NotFound:
            return None
        return cast("LoadJob", found)

    def _start(self, job_id: str, partition: TableReference, files: Sequence[Path], config: LoadJobConfig) -> LoadJob:
        """The job under that id: started by now, or by a try whose answer got lost."""

        def start() -> LoadJob:
            try:
                return self._upload(job_id, partition, files, config)
            except (GoogleAPICallError, *CONNECTION_ERRORS):
                # Whatever the error says: an upload that is sent again after it was accepted can be answered anyhow.
                accepted = self._find(job_id)
                if accepted is None:
                    raise
                return accepted

        return self._patience.retry(_begin_anew, self._patience.job)(start)()

    def _upload(self, job_id: str, partition: TableReference, files: Sequence[Path], config: LoadJobConfig) -> LoadJob:
        with open_upload(files) as (stream, size):
            return self._client.load_table_from_file(
                stream,
                partition,
                size=size,
                job_id=job_id,
                job_config=config,
                num_retries=self._patience.chunk_retries,
                timeout=_UPLOAD_SECONDS,
            )

    def _outcome(self, job: LoadJob) -> dict[str, str] | None:
        """Wait for the job's end; returns the error that ended it."""
        deadline = time.monotonic() + self._patience.job
        waits = self._patience.waits()
        while not job.done(retry=self._retry, timeout=ANSWER_SECONDS):
            if time.monotonic() > deadline:
                raise WarehouseUnavailableError(
                    f"load job {job.job_id} still runs after {self._patience.job:,.0f} s. "
                    f"Run it again: it waits for that job"
                )
            next(waits)
        return cast("dict[str, str] | None", job.error_result)


def _begin_anew(error: BaseException) -> bool:
    """Whether an upload can be tried again from its beginning."""
    # Conflict: it was accepted, and BigQuery is slow to show it. Gone: the session of the upload.
    return passes(error) or (
        isinstance(error, GoogleAPICallError) and error.code in {HTTPStatus.CONFLICT, HTTPStatus.GONE}
    )


def _prefix(partition: TableReference) -> str:
    """What the ids of all jobs begin with that load into a partition. Ids hold letters, digits, _ and -."""
    return f"orderwatch-load-{partition.dataset_id}-{partition.table_id.replace('$', '-')}-"


def _job_error(
    job: LoadJob, failure: dict[str, str], files: Sequence[Path]
) -> WarehouseError | WarehouseUnavailableError:
    rows = bad_rows([error["message"] for error in job.errors or ()], files)
    return refusal(failure["reason"], "; ".join(rows) or failure["message"], f"in load job {job.job_id}")
