"""DAG `transform`: dbt for a business date, once all its loads are there; then the marts, back to Postgres."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import PartitionedAssetTimetable, dag, task

from dag_defaults import DEFAULTS, MARTS, ORDERS, PRODUCTS, USERS, WAREHOUSE_POOL, run_date
from order_batch.app import open_pipeline
from order_batch.transform.dbt import LayerReport, group_by_layer, require_success


@dag(
    schedule=PartitionedAssetTimetable(assets=ORDERS & USERS & PRODUCTS),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=dict(DEFAULTS),
    tags=["orderwatch"],
    doc_md="""
    Builds bronze, silver and gold for the partition key's business date and tests them. `results` has an instance a
    layer with what was built and tested; one that failed keeps the marts from being published.
    """,
)
def transform() -> None:
    """Build, look at the results, publish."""

    @task(pool=WAREHOUSE_POOL, doc_md="`dbt build` for the date.")
    def build(partition_key: str | None = None) -> list[dict[str, Any]]:
        day = run_date(partition_key, datetime.now(UTC))
        with open_pipeline() as pipeline:
            return [layer.as_json() for layer in group_by_layer(pipeline.build(day, day))]

    @task(map_index_template="{{ layer['name'] }}", retries=0, doc_md="Models and tests of a layer; fails with them.")
    def results(layer: dict[str, Any]) -> None:
        require_success(LayerReport.of_json(layer))

    @task(pool=WAREHOUSE_POOL, outlets=[MARTS], doc_md="The gold tables, all at once, to schema `marts`.")
    def publish() -> dict[str, int]:
        with open_pipeline() as pipeline:
            return pipeline.publish()

    results.expand(layer=build()) >> publish()


transform()
