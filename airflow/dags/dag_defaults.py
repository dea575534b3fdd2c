"""Defaults that the DAGs share: retries, priorities, the alert on failure, and the business date of a run."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from airflow_plugin.priorities import BackfillsLast
from order_batch.app import alert_failure
from order_contract.business_dates import parse_business_date
from order_contract.business_time import business_date

# DuckDB admits one writing process; on BigQuery the pool may be of any size.
WAREHOUSE_POOL = "warehouse"

# Among the tasks that wait for the pool, outside backfills.
LOAD_PRIORITY, BUILD_PRIORITY, REPAIR_PRIORITY = 3, 2, 1


def on_failure(context: Mapping[str, Any]) -> None:
    """Send an alert that names the failed task, its run and its log."""
    instance = context["ti"]
    run = context["dag_run"].partition_key or context["dag_run"].run_id
    alert_failure(
        f"{instance.dag_id}.{instance.task_id} failed for {run}: {context.get('exception')}", instance.log_url
    )


DEFAULTS: Mapping[str, Any] = {
    "owner": "data-engineering",
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": on_failure,
    # By its name: Airflow does not serialize the rule of a mapped task otherwise.
    "weight_rule": f"{BackfillsLast.__module__}.{BackfillsLast.__qualname__}",
}


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, by which Airflow stops a task, raise KeyboardInterrupt: what the task started is stopped, too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_date(partition_key: str | None, run_after: datetime) -> date:
    """The business date of a run: its partition key, or the day before the run for one that was started without a key.

    A run that is cleared and repeated keeps its date. Fails without retries when the key is not a valid business date,
    or when the date is not over yet.
    """
    try:
        day = parse_business_date(partition_key) if partition_key else business_date(run_after) - timedelta(days=1)
    except ValueError as error:
        raise AirflowFailException(f"partition key {error}") from None
    if day >= business_date(datetime.now(UTC)):
        raise AirflowFailException(
            f"{day} is not over in Asia/Jakarta: trigger it from {day + timedelta(days=1)} on, "
            "or without a partition key for yesterday"
        )
    return day
