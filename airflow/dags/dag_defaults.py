"""Defaults that the DAGs share: assets, retries, and the alert on failure."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from airflow.sdk import Asset

from order_batch.app import alert_failure
from order_contract.business_time import business_date

# DuckDB admits one writing process; on BigQuery the pool may be of any size.
WAREHOUSE_POOL = "warehouse"

ORDERS = Asset("orderwatch://warehouse/raw/orders")
USERS = Asset("orderwatch://warehouse/raw/users")
PRODUCTS = Asset("orderwatch://warehouse/raw/products")
MARTS = Asset("orderwatch://postgres/marts")


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
}


def run_date(partition_key: str | None, now: datetime) -> date:
    """The business date that a run is for: its partition key, or yesterday for a run started by hand without one."""
    return date.fromisoformat(partition_key) if partition_key else business_date(now) - timedelta(days=1)
