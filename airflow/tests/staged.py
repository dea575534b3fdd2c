"""Staged files: rows for any raw table, written as an extract writes them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.staged_files import arrow_schema
from order_batch.warehouse.tables import Kind, Table
from tests.content_hash import content_hash

NOVEMBER_20, NOVEMBER_21 = date(2026, 11, 20), date(2026, 11, 21)
_MOMENT = datetime(2026, 11, 21, 5, 6, 7, tzinfo=UTC)


def make_row(table: Table, day: date, number: int = 0, **values: Any) -> dict[str, Any]:
    """A row of a business date; `values` instead of what it would hold."""
    made = {
        Kind.INTEGER: number, Kind.DATE: day, Kind.STRING: f"text {number}",
        Kind.TIMESTAMP: _MOMENT + timedelta(microseconds=number % 100),
    }  # fmt: skip
    return {column.name: made[column.kind] for column in table.stored_columns} | values


def make_rows(table: Table, day: date, count: int, **values: Any) -> list[dict[str, Any]]:
    return [make_row(table, day, number, **values) for number in range(count)]


def stage(
    table: Table, folder: Path, *files: Sequence[Mapping[str, Any]] | bytes, schema: pa.Schema | None = None
) -> list[Path]:
    """A file for each list of rows, with the table's schema or another one; bytes are written as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, content in enumerate(files):
        paths.append(folder / f"{number:04}.parquet")
        if isinstance(content, bytes):
            paths[-1].write_bytes(content)
        else:
            rows = pa.Table.from_pylist(list(content), schema or arrow_schema(table))
            pq.write_table(rows, paths[-1])
    return paths


def totals(table: Table, rows: Iterable[Mapping[str, Any]]) -> Totals:
    """What rows add up to."""
    found = list(rows)
    amount = sum(int(row[table.amount]) for row in found) if table.amount else None
    return Totals(len(found), amount, content_hash(table, found))


def partition(table: Table, day: date = NOVEMBER_21) -> Partition:
    return Partition.of(table, day)
