"""DAG `transform`: dbt for a business date, once its orders are loaded; then the marts, back to Postgres."""

from datetime import UTC, datetime
from typing import Any

import structlog
from airflow.sdk import Param, PartitionedAssetTimetable, dag, task

from dag_assets import MARTS, ORDERS, OutletEvents
from dag_defaults import BUILD_PRIORITY, DEFAULTS, WAREHOUSE_POOL, interrupted_by_sigterm, run_date
from order_batch.app import open_pipeline
from order_batch.transform.results import Build, LayerReport, group_by_layer

log = structlog.get_logger()


@dag(
    schedule=PartitionedAssetTimetable(assets=ORDERS),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULTS, "priority_weight": BUILD_PRIORITY},
    description="After each load of a date: facts, dimensions and marts by dbt, tested, then published to Postgres",
    params={
        "full_refresh": Param(
            default=False, type="boolean", title="Full refresh", description="Build all dates again from raw."
        )
    },
    tags=["warehouse", "dbt"],
    doc_md="""
    Builds bronze, silver and gold for the partition key's business date and tests them. `results` has an instance a
    layer with what was built and tested; one that failed keeps the marts from being published. Models, columns, tests
    and lineage are on [dbt's pages](http://127.0.0.1:8580/), where `make dbt-docs` serves them.

    **Trigger** without a partition key builds yesterday; with `full_refresh`, all dates that are loaded. After an
    upgrade that changed models the first run does so by itself, and its log names them.
    """,
)
def transform() -> None:
    """Build, look at the results, publish."""

    @task(pool=WAREHOUSE_POOL, doc_md="`dbt build` for the date, with a line in the log per model and test.")
    def build(
        partition_key: str | None = None, dag_run: Any = None, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        day = run_date(partition_key, dag_run.run_after)
        with open_pipeline() as pipeline, interrupted_by_sigterm():
            built = pipeline.build(day, day, full_refresh=bool(params and params["full_refresh"]))
        return [layer.as_json() for layer in group_by_layer(built)]

    @task(map_index_template="{{ layer['name'] }}", retries=0, doc_md="Models and tests of a layer; fails with them.")
    def results(layer: dict[str, Any]) -> None:
        report = LayerReport.of_json(layer)
        for result in report.results:
            log.info(result.line())
        Build(report.results).require_success()

    @task(pool=WAREHOUSE_POOL, outlets=[MARTS], doc_md="The gold tables, all at once, to schema `marts`.")
    def publish(
        partition_key: str | None = None, dag_run: Any = None, outlet_events: OutletEvents = None
    ) -> dict[str, int]:
        with open_pipeline() as pipeline:
            rows = pipeline.publish()
        outlet_events[MARTS].extra = {"business_date": str(run_date(partition_key, dag_run.run_after)), "rows": rows}
        return rows

    results.expand(layer=build()) >> publish()


transform()
