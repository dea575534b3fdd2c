"""DAG `reconcile`: Postgres against the warehouse, by business date; what differs is loaded and built again."""

from datetime import UTC, date, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from dag_assets import MARTS
from dag_defaults import DEFAULTS, REPAIR_PRIORITY, WAREHOUSE_POOL
from order_batch.app import open_pipeline
from order_contract.business_time import business_date

DAYS = 35


@dag(
    schedule=CronTriggerTimetable("30 6 * * *", timezone="Asia/Jakarta"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (in the timetable's zone)
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULTS, "pool": WAREHOUSE_POOL, "priority_weight": REPAIR_PRIORITY},
    description="06:30, business time: dates whose orders changed since they were loaded are loaded and built again",
    tags=["warehouse", "daily", "repair"],
    doc_md=f"""
    An order can arrive days after it was placed. A date is dirty when count, sum or newest row of its orders in
    Postgres are not those of its load. The last {DAYS} days are looked at; `order-batch reconcile` looks at any.
    """,
)
def reconcile() -> None:
    """Find dirty dates, repair each, publish."""

    @task(doc_md="Business dates whose orders changed since they were loaded.")
    def find_dirty_dates() -> list[str]:
        yesterday = business_date(datetime.now(UTC)) - timedelta(days=1)
        with open_pipeline() as pipeline:
            return [day.isoformat() for day in pipeline.dirty_dates(yesterday - timedelta(days=DAYS - 1), yesterday)]

    @task(map_index_template="{{ day }}", max_active_tis_per_dag=1, doc_md="Load and build a date again.")
    def repair(day: str) -> int:
        with open_pipeline() as pipeline:
            return pipeline.repair(date.fromisoformat(day))

    @task(outlets=[MARTS], doc_md="The gold tables to schema `marts`; skipped when no date was dirty.")
    def publish() -> dict[str, int]:
        with open_pipeline() as pipeline:
            return pipeline.publish()

    repair.expand(day=find_dirty_dates()) >> publish()


reconcile()
