"""Load jobs: what they ask for, how their data is sent, and their ids."""

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from google.cloud.bigquery import client as google_client

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import ORDERS, USERS
from tests.bigquery.warehouse import LOCATION
from tests.fake_bigquery.server import FakeBigQuery
from tests.staged import NOVEMBER_21, make_row, make_rows, partition, stage, totals

_PIECE = 256 * 1024


def _load(warehouse: BigQueryWarehouse, *files: list[dict[str, Any]], folder: Path) -> list[Path]:
    paths = stage(ORDERS, folder, *files)
    warehouse.load(ORDERS, partition(ORDERS), paths, totals(ORDERS, [row for file in files for row in file]))
    return paths


def _incompressible(number: int) -> dict[str, Any]:
    return make_row(ORDERS, NOVEMBER_21, number, attributes=json.dumps({"noise": os.urandom(2_000).hex()}))


def _only_job(fake: FakeBigQuery) -> dict[str, Any]:
    (request,) = fake.made("jobs.insert")
    found: dict[str, Any] = request.body
    return found


def _ids(fake: FakeBigQuery) -> list[str]:
    return [request.body["jobReference"]["jobId"] for request in fake.made("jobs.insert")]


def test_a_job_replaces_one_partition_and_tolerates_nothing(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    _load(warehouse, make_rows(ORDERS, NOVEMBER_21, 2), folder=tmp_path)
    job = _only_job(fake)
    assert job["jobReference"]["location"] == LOCATION
    assert job["configuration"]["labels"] == {"app": "orderwatch", "table": "orders", "partition": "20261121"}
    load = job["configuration"]["load"]
    fields = load.pop("schema")["fields"]
    assert [field["name"] for field in fields] == [column.name for column in ORDERS.stored_columns]
    assert load == {
        "destinationTable": {
            "projectId": fake.project, "datasetId": "orderwatch_raw", "tableId": "orders$20261121",
        },
        "sourceFormat": "PARQUET",
        "writeDisposition": "WRITE_TRUNCATE",
        "createDisposition": "CREATE_NEVER",
        "autodetect": False,
        "timePartitioning": {"type": "DAY", "field": "business_date"},
        "clustering": {"fields": ["user_id", "product_id"]},
    }  # fmt: skip


def test_a_month_has_its_own_decorator(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    rows = make_rows(USERS, NOVEMBER_21, 1)
    warehouse.load(USERS, partition(USERS), stage(USERS, tmp_path, rows), totals(USERS, rows))
    assert _only_job(fake)["configuration"]["load"]["destinationTable"]["tableId"] == "users$202611"


def test_several_files_go_in_one_job(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 5)
    _load(warehouse, rows[:2], rows[2:], folder=tmp_path)
    (job,) = fake.jobs.found.values()
    assert pq.read_table(io.BytesIO(job.media)).to_pylist() == rows
    assert len(_ids(fake)) == 1


def test_large_data_goes_in_pieces(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_client, "_DEFAULT_CHUNKSIZE", _PIECE)
    rows = [_incompressible(number) for number in range(300)]
    _load(warehouse, rows[:100], rows[100:], folder=tmp_path)
    (job,) = fake.jobs.found.values()
    assert len(job.media) > 2 * _PIECE


def test_no_rows_need_no_job(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    _load(warehouse, make_rows(ORDERS, NOVEMBER_21, 2), folder=tmp_path)
    fake.requests.clear()
    warehouse.load(ORDERS, partition(ORDERS), [], Totals.empty(ORDERS))
    assert not fake.made("jobs.insert")
    assert [request.parameters["tableId"] for request in fake.made("tables.delete")] == ["orders$20261121"]
    assert ("orderwatch_raw", "orders") in fake.storage.tables


def test_ids_tell_table_partition_content_and_try(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    _load(warehouse, make_rows(ORDERS, NOVEMBER_21, 2), folder=tmp_path)
    (found,) = _ids(fake)
    assert re.fullmatch(r"orderwatch-load-orderwatch_raw-orders-20261121-[0-9a-f]{32}-1", found)


def test_the_same_content_has_the_same_id_and_is_loaded_again(
    fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path
) -> None:
    """Others may have replaced the partition since: a job that ended long ago proves nothing."""
    for folder in ("first", "second"):
        _load(warehouse, make_rows(ORDERS, NOVEMBER_21, 2), folder=tmp_path / folder)
        fake.storage.table("orderwatch_raw", "orders").rows.clear()
    first, second = _ids(fake)
    assert (first.removesuffix("-1"), first[-2:], second[-2:]) == (second.removesuffix("-2"), "-1", "-2")


def test_other_content_has_another_id(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    for status in ("fraud", "genuine"):
        _load(warehouse, make_rows(ORDERS, NOVEMBER_21, 2, status=status), folder=tmp_path)
    first, second = _ids(fake)
    assert first != second
    assert second.endswith("-1")


def test_a_table_that_is_gone_is_named(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    fake.storage.delete_table("orderwatch_raw", "orders")
    with pytest.raises(WarehouseError, match=r"Not found: Table test-project:orderwatch_raw\.orders.*_DATASET_PREFIX"):
        _load(warehouse, make_rows(ORDERS, NOVEMBER_21, 1), folder=tmp_path)
    assert ("orderwatch_raw", "orders") not in fake.storage.tables
