"""Staged files: cut by size, and never without rows."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from order_batch.warehouse.staged_files import arrow_schema, write_files
from order_batch.warehouse.tables import ORDERS

from .staged import NOVEMBER_21, make_rows

ROWS = make_rows(ORDERS, NOVEMBER_21, 30)


def batches(size: int) -> Iterator[pa.RecordBatch]:
    """The rows in batches, as a driver gives them: with columns that may hold nulls, and empty batches among them."""
    schema = pa.schema([field.with_nullable(True) for field in arrow_schema(ORDERS)])
    yield pa.RecordBatch.from_pylist([], schema)
    for start in range(0, len(ROWS), size):
        yield pa.RecordBatch.from_pylist(ROWS[start : start + size], schema)
        yield pa.RecordBatch.from_pylist([], schema)


@pytest.mark.parametrize(("size", "file_bytes", "files"), [(10, 1_000_000, 1), (10, 1, 3), (30, 1, 1), (1, 50, 30)])
def test_a_file_ends_once_it_is_large_enough(tmp_path: Path, size: int, file_bytes: int, files: int) -> None:
    written = list(write_files(ORDERS, batches(size), tmp_path, file_bytes))
    assert [path.name for path in written] == [f"{number:04}.parquet" for number in range(files)]
    assert [row for path in written for row in pq.read_table(path).to_pylist()] == ROWS
    assert all(pq.read_schema(path).equals(arrow_schema(ORDERS)) for path in written)


def test_no_rows_give_no_file(tmp_path: Path) -> None:
    assert not list(write_files(ORDERS, [], tmp_path))
    assert not list(write_files(ORDERS, list(batches(30))[:1], tmp_path))


def test_narrow_integers_are_widened_and_nulls_in_required_columns_refused(tmp_path: Path) -> None:
    (batch,) = (each for each in batches(30) if each.num_rows)
    place = batch.schema.get_field_index("risk_score")
    narrow = batch.set_column(place, "risk_score", batch.column(place).cast(pa.int16()))
    (path,) = write_files(ORDERS, [narrow], tmp_path)
    assert pq.read_table(path).to_pylist() == ROWS
    nulls = batch.set_column(place, "risk_score", pa.nulls(30, pa.int64()))
    with pytest.raises(pa.ArrowInvalid, match="risk_score"):
        list(write_files(ORDERS, [nulls], tmp_path))
