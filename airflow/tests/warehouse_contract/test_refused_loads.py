"""A load that a warehouse refuses: files and rows that do not fit, and sums that differ."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.staged_files import arrow_schema
from order_batch.warehouse.tables import ORDERS
from tests.staged import NOVEMBER_20, NOVEMBER_21, make_row, make_rows, partition, stage, totals

from .subjects import Subject, held, load


def _altered(name: str, field: pa.Field | None) -> pa.Schema:
    """The schema of orders with another column in place of one, or without it."""
    schema = arrow_schema(ORDERS)
    place = schema.get_field_index(name)
    return schema.remove(place) if field is None else schema.set(place, field)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (_altered("amount", pa.field("amount", pa.string(), nullable=False)), "column amount is string not null there"),
        (_altered("amount", pa.field("amount", pa.int32(), nullable=False)), "int32 not null there, int64 not null"),
        (_altered("amount", pa.field("amount", pa.int64())), "column amount is int64 there, int64 not null here"),
        (_altered("created_date", pa.field("created_date", pa.timestamp("us"))), "created_date"),
        (_altered("order_id", None), "column order_id is missing there"),
        (arrow_schema(ORDERS).append(pa.field("colour", pa.string())), "column colour is string there, unknown here"),
    ],
    ids=["text", "narrow", "nullable", "no zone", "missing", "more"],
)
def test_a_file_of_another_schema_refuses_the_load(
    subject: Subject, tmp_path: Path, schema: pa.Schema, named: str
) -> None:
    load(subject, tmp_path / "before", ORDERS, NOVEMBER_21, make_rows(ORDERS, NOVEMBER_21, 2))
    row = dict.fromkeys(schema.names) | make_row(ORDERS, NOVEMBER_21)
    if schema.field("amount").type == pa.string():
        row["amount"] = "10"
    files = stage(ORDERS, tmp_path, [{name: row[name] for name in schema.names}], schema=schema)
    with pytest.raises(WarehouseError, match=named):
        subject.warehouse.load(ORDERS, partition(ORDERS), files, Totals(1, 0, 0))
    assert held(subject, ORDERS, NOVEMBER_21) == (2, 1)


def test_a_file_that_cannot_be_read_refuses_the_load(subject: Subject, tmp_path: Path) -> None:
    good, cut = stage(ORDERS, tmp_path, make_rows(ORDERS, NOVEMBER_21, 2), make_rows(ORDERS, NOVEMBER_21, 2))
    cut.write_bytes(cut.read_bytes()[:-20])
    missing = tmp_path / "0002.parquet"
    for each in (cut, missing):
        with pytest.raises(WarehouseError, match=rf"unchanged, its staged file {each} cannot be read"):
            subject.warehouse.load(ORDERS, partition(ORDERS), [good, each], Totals(4, 2, 0))
    assert held(subject, ORDERS, NOVEMBER_21) == (0, 0)


def test_a_row_of_another_date_refuses_the_load(subject: Subject, tmp_path: Path) -> None:
    rows = [*make_rows(ORDERS, NOVEMBER_21, 2), make_row(ORDERS, NOVEMBER_20, 5)]
    with pytest.raises(WarehouseError):
        subject.warehouse.load(ORDERS, partition(ORDERS), stage(ORDERS, tmp_path, rows), Totals(2, 1, 0))
    assert subject.raw_rows(ORDERS) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 3}, "3 rows in Postgres, 2 in the warehouse"),
        ({"rows": 1}, "1 rows in Postgres, 2 in the warehouse"),
        ({"amount": 2}, "amounts sum to 2 in Postgres, to 1 in the warehouse"),
        ({"content_hash": 0}, "2 rows with other values in Postgres than in the warehouse"),
    ],
    ids=str,
)
def test_a_difference_to_what_was_expected_is_refused(
    subject: Subject, tmp_path: Path, change: dict[str, int], said: str
) -> None:
    rows = make_rows(ORDERS, NOVEMBER_21, 2)
    expected = replace(totals(ORDERS, rows), **change)
    with pytest.raises(WarehouseError, match=f"{said}.*again"):
        subject.warehouse.load(ORDERS, partition(ORDERS), stage(ORDERS, tmp_path, rows), expected)
