"""Patience: how long to go on with BigQuery, and how long to wait between tries."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.api_core.retry import Retry, exponential_sleep_generator

from order_batch.warehouse.bigquery_errors import passes

ANSWER_SECONDS = 60.0
"""How long a single answer is awaited."""

_GROWTH = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds, or in tries. Waits grow from the first to the longest, with chance in them."""

    first_wait: float = 1.0
    longest_wait: float = 30.0
    call: float = 300.0
    """Until a call that keeps failing is given up."""
    job: float = 3600.0
    """Until a job that keeps running is left to itself."""
    job_tries: int = 4
    """How often a job is started that fails by BigQuery's own fault."""
    chunk_retries: int = 6
    """How often a piece of an upload is sent again before the upload begins anew."""

    def retry(self, predicate: Callable[[BaseException], bool] = passes, until: float | None = None) -> Retry:
        """Repeats a call while its errors are of those that pass, for as long as calls may take or `until`."""
        return Retry(
            predicate,
            initial=self.first_wait,
            maximum=self.longest_wait,
            multiplier=_GROWTH,
            timeout=until or self.call,
        )

    def waits(self) -> Iterator[None]:
        """Waits, longer each time that it is asked for the next."""
        for seconds in exponential_sleep_generator(self.first_wait, self.longest_wait, _GROWTH):
            time.sleep(seconds)
            yield
