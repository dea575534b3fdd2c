"""Bad rows: refused by BigQuery, and named by file, line and field."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from order_batch.warehouse.bigquery.load_jobs import bad_rows, locate
from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import ORDERS
from tests.fake_bigquery.server import FakeBigQuery
from tests.staged import NOVEMBER_20, NOVEMBER_21, make_row, make_rows, partition, stage

GOOD = make_rows(ORDERS, NOVEMBER_21, 3)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ({"amount": "ten"}, "Could not convert value to integer. Field: amount; Value: ten"),
        ({"amount": 1.5}, "Could not convert value to integer. Field: amount; Value: 1.5"),
        ({"amount": True}, "Could not convert value to integer. Field: amount; Value: True"),
        ({"user_id": 3}, "Could not convert value to string. Field: user_id; Value: 3"),
        ({"colour": "red"}, "No such field: colour"),
        ({"status": None}, "Only optional fields can be set to NULL. Field: status"),
        ({"created_date": "soon"}, "Could not parse 'soon' as a timestamp"),
    ],
    ids=str,
)
@pytest.mark.parametrize("files", [1, 2], ids=["one file", "two files"])
def test_a_bad_row_is_named(
    warehouse: BigQueryWarehouse, tmp_path: Path, bad: dict[str, Any], fault: str, files: int
) -> None:
    rows = [*GOOD, make_row(ORDERS, NOVEMBER_21, **bad)]
    staged = stage(tmp_path, rows) if files == 1 else stage(tmp_path, GOOD, rows)
    with pytest.raises(WarehouseError) as caught:
        warehouse.load(ORDERS, partition(ORDERS), staged, Totals(4, 3, None))
    assert f"{staged[-1].name} line 4: {fault}" in str(caught.value)
    assert "in load job orderwatch-load-orderwatch_raw-orders-20261121-" in str(caught.value)


def test_a_row_of_another_partition_is_named(warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    staged = stage(tmp_path, [*GOOD, make_row(ORDERS, NOVEMBER_20)])
    with pytest.raises(WarehouseError, match="Some rows belong to different partitions"):
        warehouse.load(ORDERS, partition(ORDERS), staged, Totals(4, 3, None))


def test_a_file_that_was_cut_is_refused(fake: FakeBigQuery, warehouse: BigQueryWarehouse, tmp_path: Path) -> None:
    (path,) = stage(tmp_path, GOOD)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WarehouseError, match="corrupt"):
        warehouse.load(ORDERS, partition(ORDERS), [path], Totals(3, 3, None))
    assert len(fake.jobs.found) == 1
    assert fake.storage.table("orderwatch_raw", "orders").rows == []


def test_positions_are_found_across_files(tmp_path: Path) -> None:
    files = stage(tmp_path, b"a\nbcd\n", b"", "é\nf\n".encode())
    assert [locate(files, position) for position in (0, 2, 5, 6, 9)] == [
        (files[0], 1), (files[0], 2), (files[0], 2), (files[2], 1), (files[2], 2),
    ]  # fmt: skip
    assert locate(files, 11) is None


def test_both_wordings_are_understood(tmp_path: Path) -> None:
    files = stage(tmp_path, b"a\nb\n")
    reading = "Error while reading data, error message: JSON parsing error in row starting at position 2"
    assert bad_rows(
        [f"{reading}: No such field: x.", f"{reading} at file: file-00000000. Unexpected token"], files
    ) == [
        "0000.json.gz line 2: No such field: x.",
        "0000.json.gz line 2: Unexpected token",
    ]
    assert bad_rows([f"{reading[:-1]}99: Gone"], files) == ["JSON parsing error in row starting at position 99: Gone"]
    assert bad_rows(["Something else"], files) == []


def test_only_the_first_few_are_shown(tmp_path: Path) -> None:
    files = stage(tmp_path, b"a\n" * 50)
    messages = [f"JSON parsing error in row starting at position {2 * number}: bad" for number in range(50)]
    assert len(bad_rows(messages, files)) == 5
    assert gzip.decompress(files[0].read_bytes()) == b"a\n" * 50
