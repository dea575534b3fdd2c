"""DAG `catalog`: each hour's new users and products of the seeded world into Postgres."""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from dag_defaults import DEFAULTS
from marketplace_simulator import EmailStyle
from order_batch.app import open_catalog
from order_batch.catalog.hourly import start_of


@dag(
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="Asia/Jakarta"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (in the timetable's zone)
    catchup=False,
    max_active_runs=1,
    default_args=dict(DEFAULTS),
    description="Hourly: new users and products of the simulated marketplace into Postgres",
    tags=["catalog", "hourly"],
    doc_md="""
    Appends the users and products of the run's hour, after everything that the catalog lacks from earlier hours, so
    that every order finds its user and product. The content of an hour depends on the hour alone: running it again
    adds nothing.

    A user's e-mail address has one of three styles, the same for all users who register in an hour.
    """,
)
def catalog() -> None:
    """Fill gaps, then branch by the hour's e-mail style, then join."""

    @task(execution_timeout=timedelta(minutes=30), doc_md="What the catalog lacks from before this hour.")
    def fill_gaps(data_interval_start: datetime | None = None) -> dict[str, int]:
        with open_catalog() as catalog:
            return catalog.backfill(start_of(data_interval_start))

    @task.branch(doc_md="Which style of e-mail address the hour's users have.")
    def choose_email_style(data_interval_start: datetime | None = None) -> str:
        with open_catalog() as catalog:
            return f"users_{catalog.email_style(start_of(data_interval_start)).name.lower()}"

    def users_of(style: EmailStyle) -> Any:
        @task(task_id=f"users_{style.name.lower()}", doc_md=f"The hour's users, addresses like `{style.value}`.")
        def users(data_interval_start: datetime | None = None) -> int:
            with open_catalog() as catalog:
                return catalog.add_users(start_of(data_interval_start), style)

        return users()

    @task(trigger_rule="none_failed_min_one_success", doc_md="The hour's users are there, whatever their style.")
    def users_are_there() -> None: ...

    @task(doc_md="Products introduced in the hour, and new prices.")
    def products(data_interval_start: datetime | None = None) -> int:
        with open_catalog() as catalog:
            return catalog.add_products(start_of(data_interval_start))

    filled, chosen = fill_gaps(), choose_email_style()
    filled >> [chosen, products()]
    chosen >> [users_of(style) for style in EmailStyle] >> users_are_there()


catalog()
