"""The comparison's query: limited in cost, labelled, with parameters, only over the partition."""

import re
from datetime import date
from pathlib import Path

import pytest
from google.cloud.bigquery import Client

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import ORDERS, USERS
from tests.bigquery.warehouse import LOCATION, settings
from tests.fake_bigquery.server import FakeBigQuery
from tests.staged import NOVEMBER_21, make_rows, partition, stage


def test_the_query_is_limited_labelled_and_filtered(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    assert warehouse.totals(ORDERS, NOVEMBER_21, NOVEMBER_21) == {}
    (request,) = fake.made("jobs.query")
    body = request.body
    assert body["maximumBytesBilled"] == str(10 * 1024**2)
    assert body["labels"] == {"app": "orderwatch", "table": "orders", "partition": "20261121"}
    assert body["location"] == LOCATION
    assert body["useLegacySql"] is False
    assert body["useQueryCache"] is False
    assert re.search(r"WHERE business_date BETWEEN @first AND @last GROUP BY partition_start$", body["query"])
    values = {each["name"]: each["parameterValue"]["value"] for each in body["queryParameters"]}
    assert values == {"first": "2026-11-21", "last": "2026-11-21"}


def test_a_months_span_is_the_month(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    assert warehouse.totals(USERS, date(2026, 12, 1), date(2026, 12, 31)) == {}
    (request,) = fake.made("jobs.query")
    values = {each["name"]: each["parameterValue"]["value"] for each in request.body["queryParameters"]}
    assert values == {"first": "2026-12-01", "last": "2026-12-31"}


def test_a_query_over_its_limit_names_the_setting(client: Client, warehouse: BigQueryWarehouse) -> None:
    cheap = BigQueryWarehouse(settings(maximum_bytes_billed=1), client)
    with pytest.raises(WarehouseError, match=r"limit for bytes billed.*ORDERWATCH_BIGQUERY_MAXIMUM_BYTES_BILLED"):
        cheap.totals(ORDERS, NOVEMBER_21, NOVEMBER_21)


def test_a_dataset_elsewhere_is_not_found(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    fake.storage.datasets["orderwatch_raw"]["location"] = "EU"
    with pytest.raises(WarehouseError, match=r"was not found in location asia-southeast2.*_LOCATION"):
        warehouse.totals(ORDERS, NOVEMBER_21, NOVEMBER_21)


def test_a_load_into_a_dataset_elsewhere_is_refused(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    fake.storage.datasets["orderwatch_raw"]["location"] = "EU"
    with pytest.raises(WarehouseError, match="was not found in location"):
        warehouse.load(
            ORDERS, partition(ORDERS), stage(ORDERS, tmp_path, make_rows(ORDERS, NOVEMBER_21, 1)), Totals(1, 0, 0)
        )
