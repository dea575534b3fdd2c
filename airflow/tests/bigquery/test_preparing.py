"""Datasets and tables: made as they should be, and refused when they are others."""

from typing import Any

import pytest

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import ORDERS, TABLES
from tests.bigquery.warehouse import LOCATION, connected
from tests.fake_bigquery.faults import refused
from tests.fake_bigquery.server import FakeBigQuery


@pytest.fixture
def made(fake: FakeBigQuery) -> dict[str, Any]:
    """What was sent to make table `orders`."""
    with connected(fake) as warehouse:
        warehouse.prepare()
    bodies = {request.body["tableReference"]["tableId"]: request.body for request in fake.made("tables.insert")}
    assert bodies.keys() == {table.name for table in TABLES}
    found: dict[str, Any] = bodies["orders"]
    return found


def test_datasets_are_made_where_they_should_be(fake: FakeBigQuery) -> None:
    with connected(fake) as warehouse:
        warehouse.prepare()
    assert {name: dataset["location"] for name, dataset in fake.storage.datasets.items()} == {
        f"orderwatch_{layer}": LOCATION for layer in ("raw", "bronze", "silver", "gold")
    }
    assert all(dataset["labels"] == {"app": "orderwatch"} for dataset in fake.storage.datasets.values())


def test_columns_have_types_modes_and_descriptions(made: dict[str, Any]) -> None:
    assert made["schema"]["fields"] == [
        {
            "name": column.name,
            "type": column.kind.value,
            "mode": "REQUIRED" if column.required else "NULLABLE",
            "description": column.description,
        }
        for column in ORDERS.stored_columns
    ]


def test_tables_are_partitioned_clustered_and_labelled(made: dict[str, Any]) -> None:
    assert made["timePartitioning"] == {"type": "DAY", "field": "business_date"}
    assert made["clustering"] == {"fields": ["user_id", "product_id"]}
    assert made["labels"] == {"app": "orderwatch", "table": "orders"}
    assert made["requirePartitionFilter"] is True
    assert made["description"] == ORDERS.description


def test_nothing_is_made_twice(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    warehouse.prepare()
    assert not fake.made("datasets.insert")
    assert not fake.made("tables.insert")


def test_a_table_that_another_process_creates_first_is_used(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    for call in ("datasets.get", "tables.get"):
        fake.faults.plan(call, refused(404, "notFound"))
    warehouse.prepare()
    assert len(fake.made("datasets.insert")) == len(fake.made("tables.insert")) == 1


def test_a_dataset_elsewhere_is_named(fake: FakeBigQuery) -> None:
    fake.storage.insert_dataset(
        {"datasetReference": {"projectId": fake.project, "datasetId": "orderwatch_silver"}, "location": "EU"}
    )
    with connected(fake) as warehouse, pytest.raises(WarehouseError, match=r"orderwatch_silver is in EU.*_LOCATION"):
        warehouse.prepare()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema": {"fields": []}}, "column business_date is nothing there, DATE REQUIRED here"),
        ({"timePartitioning": {"type": "MONTH", "field": "business_date"}}, "partitioned by MONTH business_date there"),
        ({"timePartitioning": None}, "partitioned by nothing there, by DAY business_date here"),
        ({"clustering": {"fields": ["user_id"]}}, "clustered by user_id there, by user_id product_id here"),
    ],
    ids=["columns", "month", "no partitions", "clustering"],
)
def test_another_table_in_its_place_is_named(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, change: dict[str, Any], named: str
) -> None:
    table = fake.storage.table("orderwatch_raw", "orders")
    table.resource |= change
    table.resource = {name: value for name, value in table.resource.items() if value is not None}
    problem = f"orderwatch_raw.orders is not the table that this version loads into: .*{named}"
    with pytest.raises(WarehouseError, match=problem):
        warehouse.prepare()


def test_a_table_of_an_earlier_release_gains_its_nullable_columns(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse
) -> None:
    table = fake.storage.table("orderwatch_raw", "orders")
    added = [field for field in table.fields if field["mode"] == "NULLABLE"][-4:]
    table.resource["schema"]["fields"] = [field for field in table.fields if field not in added]
    warehouse.prepare()
    (request,) = fake.made("tables.patch")
    assert request.parameters["tableId"] == "orders"
    assert [field["name"] for field in table.fields] == [column.name for column in ORDERS.stored_columns]
    warehouse.prepare()
    assert len(fake.made("tables.patch")) == 1


def test_a_table_of_an_earlier_release_begins_to_require_a_filter(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse
) -> None:
    table = fake.storage.table("orderwatch_raw", "orders")
    del table.resource["requirePartitionFilter"]
    warehouse.prepare()
    assert table.resource["requirePartitionFilter"] is True
    warehouse.prepare()
    assert len(fake.made("tables.patch")) == 1


def test_another_type_or_mode_is_named(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    (field,) = (each for each in fake.storage.table("orderwatch_raw", "orders").fields if each["name"] == "amount")
    field |= {"type": "NUMERIC", "mode": "NULLABLE"}
    with pytest.raises(WarehouseError, match="column amount is NUMERIC NULLABLE there, INT64 REQUIRED here"):
        warehouse.prepare()


def test_a_column_too_many_is_named(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    extra = {"name": "colour", "type": "STRING", "mode": "NULLABLE"}
    fake.storage.table("orderwatch_raw", "orders").fields.append(extra)
    with pytest.raises(WarehouseError, match="column colour is STRING NULLABLE there, nothing here"):
        warehouse.prepare()
