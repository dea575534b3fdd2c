"""A smoke run on a real BigQuery project: what no fake can prove.

Loads two made-up days into datasets of its own, twice, and tries what must be refused. dbt runs its unit tests and
builds the first day, then the second, then both again, so that every model that is built by date is created and merged.
The marts are compared with the rows, and what a build of one day read with what a build of both did. In the end the
datasets are removed. `make bigquery-smoke PROJECT=my-project` runs it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from uuid import uuid4

import typer
from google.cloud.bigquery import Client

from order_batch.settings import BatchSettings, WarehouseKind
from order_batch.transform.dbt import Dbt
from order_batch.transform.results import Build, DbtError
from order_batch.warehouse.bigquery.client import open_client
from order_batch.warehouse.bigquery.errors import translate_errors
from order_batch.warehouse.bigquery.retry_policy import RESPONSE_SECONDS, RetryPolicy
from order_batch.warehouse.bigquery.warehouse import DATASETS, BigQueryWarehouse
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.port import Warehouse, WarehouseError, WarehouseUnavailableError
from order_batch.warehouse.tables import ORDERS
from order_contract.business_time import BUSINESS_ZONE
from tests.smoke.sample_day import Row, SampleDay, Staged, combine, make_day, stage

Say = Callable[[str], None]

_YESTERDAY = timedelta(days=1)
_DBT_PROJECT = Path(__file__).resolve().parents[3] / "dbt"
MARTS = {
    "mart_user_blacklist_status": ("total_orders", "total_purchasing", "fraud_orders_count", "total_fraud_loss"),
    "mart_product_payment_methods": ("total_orders", "total_amount", "fraud_orders", "fraud_amount"),
    "mart_user_product_habits": ("total_orders", "total_amount", "fraud_orders", "fraud_amount"),
}
"""Columns of marts that must sum to the number and amounts of the day's orders, then of the flagged ones."""


BY_DATE = ("fct_orders", "fct_rule_hits")
"""Models that read raw tables by date, through the views in bronze."""
_MOST_OF_BOTH = 0.7


class SmokeError(Exception):
    """BigQuery does something else than the adapter counts on."""


@dataclass(frozen=True, slots=True)
class Builds:
    """What dbt does: builds dates, and runs the unit tests."""

    build: Callable[[date, date], Build]
    unit_tests: Callable[[], Build]


def check(warehouse: Warehouse, dbt: Builds, days: Sequence[SampleDay], say: Say) -> None:
    """Everything but creating and removing datasets, for two days. Raises SmokeError, and what fails."""
    first, last = days
    both = combine(days)
    with TemporaryDirectory() as folder:
        staged = list(both.stage(Path(folder)))
        for time in ("once", "again"):
            for each in staged:
                warehouse.load(*each)
            say(f"loaded {time}: {sum(each.totals.rows for each in staged):,} rows in {len(staged)} partitions")
        _require_totals(warehouse, staged)
        _refuses_other_dates(warehouse, last, Path(folder))
        say("refused a row of another date, and kept the partition")
        _empties(warehouse, first, Path(folder))
        say("emptied a partition, and no other")
        _require_totals(warehouse, staged)
    _require_tests(dbt.unit_tests())
    say("dbt's unit tests pass")
    _build(dbt, warehouse, (first.day, first.day), first.rows[ORDERS.name], say)
    _build(dbt, warehouse, (last.day, last.day), both.rows[ORDERS.name], say)
    two = _build(dbt, warehouse, (first.day, last.day), both.rows[ORDERS.name], say)
    one = _build(dbt, warehouse, (last.day, last.day), both.rows[ORDERS.name], say)
    for model in BY_DATE:
        _require_pruning(model, one, two)
        say(f"{model} reads the partition that it builds, and no other")


def _build(
    dbt: Builds, warehouse: Warehouse, dates: tuple[date, date], orders: Sequence[Row], say: Say
) -> Mapping[str, int]:
    """Build the dates from the first to the last, and compare the marts with the orders that they are made of.

    Returns the bytes read, by model.
    """
    first, last = dates
    build = dbt.build(first, last)
    build.require_success()
    say(f"dbt has built {first}" if first == last else f"dbt has built {first} and {last}")
    for mart, columns in MARTS.items():
        _require_sums(warehouse, mart, columns, orders)
        say(f"{mart} adds up to the orders")
    read = [(each.name, each.bytes_processed) for each in build.results if each.kind == "model"]
    return {name: count for name, count in read if count is not None}


def _require_pruning(model: str, one: Mapping[str, int], two: Mapping[str, int]) -> None:
    """A build of one of two equal days must read about half of what a build of both reads."""
    if not one.get(model) or not two.get(model):
        raise SmokeError(f"{model}: dbt does not report the bytes that it read: {one.get(model)}, {two.get(model)}")
    if one[model] > _MOST_OF_BOTH * two[model]:
        raise SmokeError(
            f"{model} read {one[model]:,} bytes to build one day and {two[model]:,} to build both: the condition on "
            "business_date does not reach the partitions of what it reads"
        )


def _require_tests(build: Build) -> None:
    build.require_success()
    if not build.results:
        raise SmokeError("dbt ran no unit test")


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
    orders: Annotated[int, typer.Option(help="orders of each of the two days")] = 2_000,
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
        yesterday = datetime.now(BUSINESS_ZONE).date() - _YESTERDAY
        _run(settings, [make_day(yesterday - _YESTERDAY, orders), make_day(yesterday, orders)])
    except (WarehouseError, WarehouseUnavailableError, DbtError, SmokeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo("BigQuery does what Orderwatch counts on.")


def _run(settings: BatchSettings, days: Sequence[SampleDay]) -> None:
    dbt = Dbt(settings)
    client = open_client(settings)
    warehouse = BigQueryWarehouse(settings, client)
    typer.echo(f"datasets {settings.bigquery_dataset_prefix}* of {client.project} in {settings.bigquery_location}")
    try:
        warehouse.prepare()
        builds = Builds(dbt.build, lambda: dbt.run("test", "--select", "test_type:unit"))
        check(warehouse, builds, days, typer.echo)
    finally:
        remove(client, settings.bigquery_dataset_prefix)
        typer.echo("datasets removed")


def _require_totals(warehouse: Warehouse, staged: list[Staged]) -> None:
    for each in staged:
        held = warehouse.totals(each.table, each.partition.start, each.partition.last).get(
            each.partition, Totals.empty(each.table)
        )
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


def _require_sums(warehouse: Warehouse, mart: str, columns: tuple[str, ...], orders: Sequence[Row]) -> None:
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
