"""DAG `reconcile`: Postgres against the warehouse, by business date; what differs is loaded and built again."""

from datetime import UTC, date, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from dag_assets import MARTS, OutletEvents
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
    description="06:30, business time: dates that differ between Postgres, warehouse and marts are repaired",
    tags=["warehouse", "daily", "repair"],
    doc_md=f"""
    An order can arrive days after it was placed, a build can fail, a file can be lost. A date is clean when Postgres,
    the raw tables, what was built of them and the published marts hold the same. The last {DAYS} days and all months of
    users and products are compared, and the published marts row by row; `order-batch reconcile` looks at all dates.
    """,
)
def reconcile() -> None:
    """Compare; repair what differs, which compares again."""

    @task.short_circuit(doc_md="Which dates and months are not the same at all stages, and where they differ first.")
    def compare() -> list[str]:
        with open_pipeline() as pipeline:
            dirty = [each for each in pipeline.compare(*_span()) if not each.is_clean]
            if dirty:
                return [f"{each.table.name} of {each.partition}: {each.state}" for each in dirty]
            return [f"{mart}: not published as the warehouse holds it" for mart in pipeline.differing_marts()]

    @task(outlets=[MARTS], doc_md="Load what differs, build it in ranges, publish once, and compare again.")
    def repair(outlet_events: OutletEvents = None) -> None:
        with open_pipeline() as pipeline:
            first, last = _span()
            done = pipeline.repair(first, last, pipeline.compare(first, last))
            done.require_success()
        outlet_events[MARTS].extra = {"loaded": [*map(str, done.loaded)], "built": [*map(str, done.built)]}

    compare() >> repair()


def _span() -> tuple[date, date]:
    yesterday = business_date(datetime.now(UTC)) - timedelta(days=1)
    return yesterday - timedelta(days=DAYS - 1), yesterday


reconcile()
