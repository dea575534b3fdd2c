"""Load jobs of BigQuery: uploaded, started exactly once, waited for, and restarted after transient failures."""

import hashlib
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud.bigquery import Client, LoadJob, LoadJobConfig, TableReference

from order_batch.warehouse.bigquery.errors import CONNECTION_ERRORS, build_error, is_transient, is_transient_reason
from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS, RetryPolicy
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError
from order_batch.warehouse.staged_files import COMPRESSION

if TYPE_CHECKING:
    from typing_extensions import Buffer

log = structlog.get_logger()
# Timeouts of connecting, and of each chunk or response.
_UPLOAD_SECONDS = (10.0, 300.0)
# BigQuery itself ends load jobs after six hours.
_NO_JOB_IS_OLDER = timedelta(hours=24)

_READ = 1024**2
_MOST_SHOWN = 5
"""Messages of a failed job."""


def content_digest(files: Sequence[Path]) -> str:
    """Digest of the files' content; 32 characters."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.stat().st_size.to_bytes(8))
        with path.open("rb") as file:
            while block := file.read(_READ):
                digest.update(block)
    return digest.hexdigest()[:32]


@contextmanager
def open_upload(files: Sequence[Path]) -> Iterator[tuple[IO[bytes], int | None]]:
    """One stream made of the files, and its size if it is known beforehand.

    A load job that replaces a partition takes one stream. A single file is sent as it is. Several are joined, one group
    of rows after the other, while they are sent.
    """
    if len(files) == 1:
        with files[0].open("rb") as file:
            yield file, files[0].stat().st_size
        return
    yield cast("IO[bytes]", _Stream(_join(files))), None


def _join(files: Sequence[Path]) -> Iterator[bytes]:
    """The content of one Parquet file with the rows of all, in blocks."""
    written = _Sink()
    with pq.ParquetWriter(pa.PythonFile(written, "w"), pq.read_schema(files[0]), compression=COMPRESSION) as writer:
        for path in files:
            with pq.ParquetFile(path) as file:
                for number in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(number))
                    yield written.take()
    yield written.take()


class _Sink(io.RawIOBase):
    """A file to write to whose content is taken away block by block."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, block: "Buffer", /) -> int:
        content = memoryview(block)
        self._content += content
        self._position += content.nbytes
        return content.nbytes

    def take(self) -> bytes:
        """What was written since the last call."""
        content = bytes(self._content)
        self._content.clear()
        return content


class _Stream(io.BufferedIOBase):
    """A stream of blocks, readable once. A read returns the requested size, except at the end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = bytearray()
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = None if size is None or size < 0 else size
        while wanted is None or len(self._rest) < wanted:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest += block
        content = bytes(self._rest[:wanted])
        del self._rest[:wanted]
        self._position += len(content)
        return content


class LoadJobs:
    """Load jobs of one project and location.

    A job's id consists of partition, content and a number, so that an accepted job is found although its response
    was lost. A finished job never counts as the current one: the partition may have been replaced since.
    """

    def __init__(self, client: Client, retry_policy: RetryPolicy) -> None:
        self._client = client
        self._retry_policy = retry_policy
        self._retry = retry_policy.retry()

    def replace(self, partition: TableReference, files: Sequence[Path], config: LoadJobConfig) -> None:
        """Replace a partition, `table$20261121`, by the rows of files, in one job; returns when that is done.

        Raises WarehouseError and WarehouseUnavailableError, and what the client raises.
        """
        name = f"{_prefix(partition)}{content_digest(files)}-"
        if self._is_loaded_by_earlier_job(partition, name):
            return
        tries, waits = count(1), self._retry_policy.waits()
        while True:
            job = self._start(self._unused_id(name), partition, files, config)
            failure = self._wait(job)
            if failure is None:
                return
            if not is_transient_reason(failure["reason"]) or next(tries) >= self._retry_policy.job_tries:
                raise _job_error(job, failure)
            log.warning("load_job_failed", job=job.job_id, reason=failure["reason"], then="started again")
            next(waits)

    def await_in_flight(self, partition: TableReference) -> Sequence[LoadJob]:
        """Wait for jobs that an earlier process left running: ending later, they would overwrite this load."""
        jobs = list(self._in_flight(_prefix(partition)))
        for job in jobs:
            log.info("waiting_for_a_load_job", job=job.job_id, reason="it was started earlier and still runs")
            self._wait(job)
        return jobs

    def _is_loaded_by_earlier_job(self, partition: TableReference, name: str) -> bool:
        """Whether a job that was still running has just loaded this content."""
        jobs = self.await_in_flight(partition)
        return len(jobs) == 1 and jobs[0].job_id.startswith(name) and jobs[0].error_result is None

    def _in_flight(self, prefix: str) -> Iterator[LoadJob]:
        since = datetime.now(UTC) - _NO_JOB_IS_OLDER
        for state in ("pending", "running"):
            for job in self._client.list_jobs(
                state_filter=state, min_creation_time=since, retry=self._retry, timeout=RESPONSE_SECONDS
            ):
                if job.job_id.startswith(prefix):
                    yield job

    def _unused_id(self, name: str) -> str:
        return next(job_id for number in count(1) if self._find(job_id := f"{name}{number}") is None)

    def _find(self, job_id: str) -> LoadJob | None:
        try:
            found = self._client.get_job(
                job_id, location=self._client.location, retry=self._retry, timeout=RESPONSE_SECONDS
            )
        except NotFound:
            return None
        return cast("LoadJob", found)

    def _start(self, job_id: str, partition: TableReference, files: Sequence[Path], config: LoadJobConfig) -> LoadJob:
        """Start the job, or find it when an earlier attempt started it and the response was lost."""

        def start() -> LoadJob:
            try:
                return self._upload(job_id, partition, files, config)
            except (GoogleAPICallError, *CONNECTION_ERRORS):
                # Whatever the error: an upload that is sent again after it was accepted can get any response.
                accepted = self._find(job_id)
                if accepted is None:
                    raise
                return accepted

        return self._retry_policy.retry(_can_restart_upload, self._retry_policy.job)(start)()

    def _upload(self, job_id: str, partition: TableReference, files: Sequence[Path], config: LoadJobConfig) -> LoadJob:
        with open_upload(files) as (stream, size):
            return self._client.load_table_from_file(
                stream,
                partition,
                size=size,
                job_id=job_id,
                job_config=config,
                num_retries=self._retry_policy.chunk_retries,
                timeout=_UPLOAD_SECONDS,
            )

    def _wait(self, job: LoadJob) -> dict[str, str] | None:
        """Wait for the job's end; returns its error, if any."""
        deadline = time.monotonic() + self._retry_policy.job
        waits = self._retry_policy.waits()
        while not job.done(retry=self._retry, timeout=RESPONSE_SECONDS):
            if time.monotonic() > deadline:
                raise WarehouseUnavailableError(
                    f"load job {job.job_id} still runs after {self._retry_policy.job:,.0f} s. "
                    f"Run it again: it waits for that job"
                )
            next(waits)
        return cast("dict[str, str] | None", job.error_result)


def _can_restart_upload(error: BaseException) -> bool:
    """Whether an upload can be restarted from its beginning."""
    # Conflict: it was accepted, and BigQuery is slow to show it. Gone: the session of the upload.
    return is_transient(error) or (
        isinstance(error, GoogleAPICallError) and error.code in {HTTPStatus.CONFLICT, HTTPStatus.GONE}
    )


def _prefix(partition: TableReference) -> str:
    """Prefix of the ids of all jobs that load into a partition. Ids hold letters, digits, _ and -."""
    return f"orderwatch-load-{partition.dataset_id}-{partition.table_id.replace('$', '-')}-"


def _job_error(job: LoadJob, failure: dict[str, str]) -> WarehouseError | WarehouseUnavailableError:
    details = list(dict.fromkeys([failure["message"], *(error["message"] for error in job.errors or ())]))
    return build_error(failure["reason"], "; ".join(details[:_MOST_SHOWN]), f"in load job {job.job_id}")
