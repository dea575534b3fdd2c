"""Marts: tables are listed free of charge, views are queried within the limit, and what Postgres lacks is named."""

from typing import Any

import pytest
from google.cloud.bigquery import Client

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError
from tests.bigquery.warehouse import settings
from tests.fake_bigquery.faults import refused
from tests.fake_bigquery.server import FakeBigQuery


def _make(fake: FakeBigQuery, field: dict[str, Any], *values: Any, kind: str = "TABLE") -> None:
    reference = {"projectId": fake.project, "datasetId": "orderwatch_gold", "tableId": "mart"}
    fake.storage.insert_table("orderwatch_gold", {"tableReference": reference, "schema": {"fields": [field]}})
    table = fake.storage.table("orderwatch_gold", "mart")
    table.resource["type"] = kind
    table.rows = [{field["name"]: value} for value in values]


def test_a_table_is_read_page_by_page_without_a_query(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    _make(fake, {"name": "n", "type": "INT64"}, *range(5))
    fake.calls.page_size = 2
    fake.faults.plan("tabledata.list", refused(503, "backendError"))
    with warehouse.gold("mart") as relation:
        assert list(relation.rows()) == [(0,), (1,), (2,), (3,), (4,)]
    assert len(fake.made("tabledata.list")) == 3
    assert not fake.made("jobs.query")


def test_a_view_is_queried_within_the_limit(fake: FakeBigQuery, client: Client, warehouse: BigQueryWarehouse) -> None:
    _make(fake, {"name": "n", "type": "INT64"}, *range(5), kind="VIEW")
    fake.calls.page_size = 2
    with warehouse.gold("mart") as relation:
        assert list(relation.rows()) == [(0,), (1,), (2,), (3,), (4,)]
    (request,) = fake.made("jobs.query")
    assert request.body["query"] == "SELECT * FROM `test-project.orderwatch_gold.mart`"
    assert request.body["labels"] == {"app": "orderwatch", "table": "mart"}
    cheap = BigQueryWarehouse(settings(maximum_bytes_billed=1), client)
    with cheap.gold("mart") as relation, pytest.raises(WarehouseError, match="_MAXIMUM_BYTES_BILLED"):
        list(relation.rows())


def test_a_mart_that_cannot_be_read_is_named(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    _make(fake, {"name": "n", "type": "INT64"}, 1)
    fake.faults.plan("tabledata.list", refused(403, "quotaExceeded"))
    with warehouse.gold("mart") as relation, pytest.raises(WarehouseUnavailableError, match=r"orderwatch_gold\.mart"):
        list(relation.rows())


@pytest.mark.parametrize(
    "field",
    [{"name": "colours", "type": "STRING", "mode": "REPEATED"}, {"name": "colours", "type": "RECORD", "fields": []}],
    ids=["array", "record"],
)
def test_a_column_that_postgres_has_no_type_for_is_named(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, field: dict[str, Any]
) -> None:
    _make(fake, field)
    with warehouse.gold("mart") as relation, pytest.raises(WarehouseError, match=r"colours is .*no counterpart"):
        _ = relation.columns
