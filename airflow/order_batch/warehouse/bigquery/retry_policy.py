"""Retry policy of calls to BigQuery: which errors are retried, for how long, and with which waits."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.api_core.retry import Retry, exponential_sleep_generator

from order_batch.warehouse.bigquery.errors import is_transient

RESPONSE_SECONDS = 60.0
"""Timeout of a single response."""

_GROWTH = 2.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits in seconds or in tries. Waits grow from the first to the longest, with jitter."""

    first_wait: float = 1.0
    longest_wait: float = 30.0
    call: float = 300.0
    """How long a failing call is retried."""
    job: float = 3600.0
    """How long a running job is waited for."""
    job_tries: int = 4
    """How often a job that fails by BigQuery's own fault is started."""
    chunk_retries: int = 6
    """How often a chunk of an upload is sent again before the whole upload is restarted."""

    def retry(self, predicate: Callable[[BaseException], bool] = is_transient, until: float | None = None) -> Retry:
        """Repeats a call while its errors match the predicate, for at most `until` or the limit of calls."""
        return Retry(
            predicate,
            initial=self.first_wait,
            maximum=self.longest_wait,
            multiplier=_GROWTH,
            timeout=until or self.call,
        )

    def waits(self) -> Iterator[None]:
        """Sleeps before each item, longer every time."""
        for seconds in exponential_sleep_generator(self.first_wait, self.longest_wait, _GROWTH):
            time.sleep(seconds)
            yield
