"""A smoke run on a real BigQuery project: what no fake can prove.

Loads a made-up day into datasets of its own, twice, lets dbt build it, compares the marts with the rows, tries what
must be refused, and removes the datasets again. `make bigquery-smoke PROJECT=my-project` runs it.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from uuid import uuid4

import typer
from google.cloud.bigquery import Client

from order_batch.settings import BatchSettings, WarehouseKind
from order_batch.transform.dbt import Dbt, DbtError
from order_batch.warehouse.bigquery.client import open_client
from order_batch.warehouse.bigquery.errors import translate_errors
from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS, RetryPolicy
from order_batch.warehouse.bigquery.warehouse import DATASETS, BigQueryWarehouse
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.port import Warehouse, WarehouseError, WarehouseUnavailableError
from order_batch.warehouse.tables import ORDERS
from order_contract.business_time import BUSINESS_ZONE
from tests.smoke.sample_day import SampleDay, Staged, make_day, stage

Say = Callable[[str], None]

_YESTERDAY = timedelta(days=1)
_DBT_PROJECT = Path(__file__).resolve().parents[3] / "dbt"
MARTS = {
    "mart_user_blacklist_status": ("total_orders", "total_purchasing", "fraud_orders_count", "total_fraud_loss"),
    "mart_product_payment_methods": ("total_orders", "total_amount", "fraud_orders", "fraud_amount"),
    "mart_user_product_habits": ("total_orders", "total_amount", "fraud_orders", "fraud_amount"),
}
"""Columns of marts that must sum to the number and amounts of the day's orders, then of the flagged ones."""


class SmokeError(Exception):
    """BigQuery does something else than the adapter counts on."""


def check(warehouse: Warehouse, build: Callable[[date], object], day: SampleDay, say: Say) -> None:
    """Everything but making and removing datasets; `build` runs dbt for a date. Raises SmokeError, and what fails."""
    with TemporaryDirectory() as folder:
        staged = list(day.stage(Path(folder)))
        for time in ("once", "again"):
            for each in staged:
                warehouse.load(*each)
            say(f"loaded {time}: {sum(each.totals.rows for each in staged):,} rows in {len(staged)} partitions")
        _require_totals(warehouse, staged)
        _refuses_other_dates(warehouse, day, Path(folder))
        say("refused a row of another date, and kept the partition")
        _empties(warehouse, day, Path(folder))
        say("emptied a partition, and no other")
        _require_totals(warehouse, staged)
    say("dbt builds")
    build(day.day)
    for mart, columns in MARTS.items():
        _require_sums(warehouse, mart, columns, day)
        say(f"{mart} adds up to the orders")


def remove(client: Client, prefix: str) -> None:
    """Delete the datasets that a run made."""
    retry = RetryPolicy(call=60).retry()
    with translate_errors("removing datasets"):
        for dataset in DATASETS:
            path = f"{client.project}.{prefix}{dataset}"
            client.delete_dataset(path, delete_contents=True, not_found_ok=True, retry=retry, timeout=RESPONSE_SECONDS)


def main(
    project: Annotated[str, typer.Option(help="project to make datasets in, and to pay")],
    location: Annotated[str, typer.Option(help="where")] = "asia-southeast2",
    dbt_project: Annotated[Path, typer.Option(help="folder of the dbt project")] = _DBT_PROJECT,
    orders: Annotated[int, typer.Option(help="orders of the day")] = 2_000,
) -> None:
    """Check loads, dbt and marts on a real BigQuery project, in datasets that are removed again."""
    settings = BatchSettings(
        warehouse=WarehouseKind.BIGQUERY,
        bigquery_project=project,
        bigquery_location=location,
        bigquery_dataset_prefix=f"orderwatch_smoke_{uuid4().hex[:8]}_",
        dbt_project=dbt_project,
    )
    try:
        _run(settings, make_day(datetime.now(BUSINESS_ZONE).date() - _YESTERDAY, orders))
    except (WarehouseError, WarehouseUnavailableError, DbtError, SmokeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo("BigQuery does what Orderwatch counts on.")


def _run(settings: BatchSettings, day: SampleDay) -> None:
    client = open_client(settings)
    warehouse = BigQueryWarehouse(settings, client)
    typer.echo(f"datasets {settings.bigquery_dataset_prefix}* of {client.project} in {settings.bigquery_location}")
    try:
        warehouse.prepare()
        check(warehouse, lambda date: Dbt(settings).build(date, date).require_success(), day, typer.echo)
    finally:
        remove(client, settings.bigquery_dataset_prefix)
        typer.echo("datasets removed")


def _require_totals(warehouse: Warehouse, staged: list[Staged]) -> None:
    for each in staged:
        start = each.partition.start
        held = warehouse.totals(each.table, start, start).get(each.partition, Totals.empty(each.table))
        difference = each.totals.difference(held)
        if difference is not None:
            raise SmokeError(f"{each.table.name} of {each.partition}: {difference}")


def _refuses_other_dates(warehouse: Warehouse, day: SampleDay, folder: Path) -> None:
    good, other = day.rows[ORDERS.name][:2]
    rows = [good, {**other, "business_date": day.day - _YESTERDAY}]
    staged = stage(ORDERS, Partition.of(ORDERS, day.day), rows, folder / "other")
    try:
        warehouse.load(*staged)
    except WarehouseError as error:
        if "different partitions" not in str(error):
            raise SmokeError(f"the row of another date is refused for another reason: {error}") from error
        return
    raise SmokeError("a row of another date was taken")


def _empties(warehouse: Warehouse, day: SampleDay, folder: Path) -> None:
    before = Partition.of(ORDERS, day.day - _YESTERDAY)
    rows = [{**row, "business_date": before.start} for row in day.rows[ORDERS.name][:5]]
    warehouse.load(*stage(ORDERS, before, rows, folder / "before"))
    for _ in range(2):
        warehouse.load(ORDERS, before, [], Totals.empty(ORDERS))


def _require_sums(warehouse: Warehouse, mart: str, columns: tuple[str, ...], day: SampleDay) -> None:
    orders = day.rows[ORDERS.name]
    flagged = [order for order in orders if order["status"] == "fraud"]
    expected = [
        len(orders), sum(order["amount"] for order in orders),
        len(flagged), sum(order["amount"] for order in flagged),
    ]  # fmt: skip
    with warehouse.gold(mart) as relation:
        names = [name for name, _ in relation.columns]
        positions = [names.index(column) for column in columns]
        sums = [0] * len(columns)
        for row in relation.rows():
            sums = [total + int(row[position]) for total, position in zip(sums, positions, strict=True)]
    if sums != expected:
        raise SmokeError(f"{mart}: {', '.join(columns)} sum to {sums}, the orders to {expected}")


if __name__ == "__main__":
    typer.run(main)
