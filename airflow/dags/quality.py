"""DAG `quality`: whether yesterday's marts are there in time, and whether its figures are plausible."""

from datetime import datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from dag_defaults import DEFAULTS, WAREHOUSE_POOL, run_date
from order_batch.app import open_quality_checks

DEADLINE = "02:00"


@dag(
    schedule=CronTriggerTimetable("0 2 * * *", timezone="Asia/Jakarta"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (in the timetable's zone)
    catchup=False,
    max_active_runs=1,
    default_args=dict(DEFAULTS),
    description=f"{DEADLINE}, business time: alerts when yesterday's marts are late or its figures are not plausible",
    tags=["quality", "daily"],
    doc_md=f"""
    Runs by the clock, whether or not anything else ran, and looks at yesterday. What it finds goes to the log and to
    the webhook, each check once per date; a finding does not fail a task. `docs/operations.md` lists the checks.

    - `check_deadline`: the date's orders are in the published marts by {DEADLINE}.
    - `check_orders`: there are orders; their number and their share of fraud are in the band of the 28 dates before;
      their users and products are known.
    - `check_freshness`: `dbt source freshness`.
    """,
)
def quality() -> None:
    """Three checks that do not wait for each other."""

    @task(doc_md="The published marts have yesterday.")
    def check_deadline(dag_run: Any = None, ti: Any = None) -> None:
        day = run_date(None, dag_run.run_after)
        with open_quality_checks(ti.log_url) as checks:
            checks.report(checks.deadline(day, DEADLINE))

    @task(doc_md="Number of orders, share of fraud, unknown users and products, against the dates before.")
    def check_orders(dag_run: Any = None, ti: Any = None) -> None:
        day = run_date(None, dag_run.run_after)
        with open_quality_checks(ti.log_url) as checks:
            checks.report(checks.orders(day))

    @task(pool=WAREHOUSE_POOL, doc_md="Age of the newest row of each raw table.")
    def check_freshness(dag_run: Any = None, ti: Any = None) -> None:
        day = run_date(None, dag_run.run_after)
        with open_quality_checks(ti.log_url) as checks:
            checks.report(checks.freshness(day))

    check_deadline()
    check_orders()
    check_freshness()


quality()
