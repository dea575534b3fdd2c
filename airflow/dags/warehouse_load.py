"""DAG `warehouse_load`: yesterday, by business date, from Postgres into the warehouse's raw tables."""

from datetime import UTC, datetime

from airflow.sdk import CronPartitionTimetable, dag, task

from dag_defaults import DEFAULTS, ORDERS, PRODUCTS, USERS, WAREHOUSE_POOL, run_date
from order_batch.app import open_pipeline


@dag(
    schedule=CronPartitionTimetable("30 0 * * *", timezone="Asia/Jakarta", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (in the timetable's zone)
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULTS, "pool": WAREHOUSE_POOL},
    tags=["orderwatch"],
    doc_md="""
    Each task writes its partition of Postgres to compressed newline-delimited JSON, loads that with an explicit schema
    in place of the partition, and compares rows and sums of amounts; on a difference the partition stays as it was and
    the task fails. So a run can be repeated, backfilled and run in any order. The partition key is the business date.
    """,
)
def warehouse_load() -> None:
    """Three loads, side by side."""

    @task(outlets=[ORDERS], doc_md="Orders with their decisions, and the rules that fired, from one snapshot.")
    def load_orders(partition_key: str | None = None) -> dict[str, int]:
        with open_pipeline() as pipeline:
            return pipeline.load_orders(run_date(partition_key, datetime.now(UTC)))

    @task(outlets=[USERS], doc_md="Months of users that are not loaded as they stand: the newest, as a rule.")
    def load_users(partition_key: str | None = None) -> dict[str, int]:
        with open_pipeline() as pipeline:
            return pipeline.load_users(run_date(partition_key, datetime.now(UTC)))

    @task(outlets=[PRODUCTS], doc_md="The same of products.")
    def load_products(partition_key: str | None = None) -> dict[str, int]:
        with open_pipeline() as pipeline:
            return pipeline.load_products(run_date(partition_key, datetime.now(UTC)))

    load_orders()
    load_users()
    load_products()


warehouse_load()
