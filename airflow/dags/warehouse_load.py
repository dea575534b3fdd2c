"""DAG `warehouse_load`: yesterday, by business date, from Postgres into the warehouse's raw tables."""

from datetime import datetime
from typing import Any

from airflow.sdk import Asset, dag, task

from airflow_plugin.business_dates import BusinessDateTimetable
from dag_assets import ORDERS, ORDERS_AGAIN, PRODUCTS, USERS, OutletEvents, record_event
from dag_defaults import DEFAULTS, LOAD_PRIORITY, WAREHOUSE_POOL, run_date
from order_batch.app import open_catalog, open_pipeline


@dag(
    schedule=BusinessDateTimetable("30 0 * * *"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (in the timetable's zone)
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULTS, "pool": WAREHOUSE_POOL, "priority_weight": LOAD_PRIORITY},
    description="00:30, business time: yesterday's orders, users and products from Postgres into the warehouse",
    tags=["warehouse", "daily"],
    doc_md="""
    Each load writes its partition of Postgres to Parquet files, loads them with an explicit schema
    in place of the partition, and compares rows and sums of amounts; on a difference the partition stays as it was and
    the task fails. So a run can be repeated, backfilled and run in any order.

    The partition key is the business date, `2026-11-20`. **Trigger** without one loads yesterday. **Backfill** takes
    the first and the last date, both included; dates that are not over are left out.

    The event of `load_orders` starts `transform` for the date. After "Clear" of `load_users` or `load_products` alone
    that task starts it.
    """,
)
def warehouse_load() -> None:
    """The catalog, then users and products, then the orders that refer to them."""

    @task(
        pool="default_pool",
        doc_md="Users and products that the catalog lacks up to the end of the date. Waits for a run of `catalog` "
        "that is at work on them.",
    )
    def fill_catalog(partition_key: str | None = None, dag_run: Any = None) -> dict[str, int]:
        day = run_date(partition_key, dag_run.run_after)
        with open_catalog() as catalog:
            return catalog.fill_up_to_end_of(day)

    @task(outlets=[USERS, ORDERS_AGAIN], doc_md="The months of users that changed since they were loaded.")
    def load_users(
        partition_key: str | None = None, dag_run: Any = None, ti: Any = None, outlet_events: OutletEvents = None
    ) -> dict[str, int]:
        day = run_date(partition_key, dag_run.run_after)
        with open_pipeline() as pipeline:
            rows = pipeline.load_users(day)
        record_event(outlet_events, USERS, day, rows)
        build_again_after_orders(ti, outlet_events, USERS)
        return rows

    @task(outlets=[PRODUCTS, ORDERS_AGAIN], doc_md="The months of products that changed since they were loaded.")
    def load_products(
        partition_key: str | None = None, dag_run: Any = None, ti: Any = None, outlet_events: OutletEvents = None
    ) -> dict[str, int]:
        day = run_date(partition_key, dag_run.run_after)
        with open_pipeline() as pipeline:
            rows = pipeline.load_products(day)
        record_event(outlet_events, PRODUCTS, day, rows)
        build_again_after_orders(ti, outlet_events, PRODUCTS)
        return rows

    @task(outlets=[ORDERS], doc_md="Orders with their decisions, and the rules that fired, from one snapshot.")
    def load_orders(
        partition_key: str | None = None, dag_run: Any = None, outlet_events: OutletEvents = None
    ) -> dict[str, int]:
        day = run_date(partition_key, dag_run.run_after)
        with open_pipeline() as pipeline:
            rows = pipeline.load_orders(day)
        record_event(outlet_events, ORDERS, day, rows)
        return rows

    fill_catalog() >> [load_users(), load_products()] >> load_orders()


def build_again_after_orders(ti: Any, outlet_events: OutletEvents, loaded: Asset) -> None:
    """Start `transform` from a load of the catalog that was repeated alone, when no load of orders follows it."""
    states = ti.get_task_states(ti.dag_id, task_ids=["load_orders"], run_ids=[ti.run_id])
    if states.get(ti.run_id, {}).get("load_orders") == "success":
        outlet_events[ORDERS_AGAIN].add(ORDERS, extra={"loaded again": loaded.name})


warehouse_load()
