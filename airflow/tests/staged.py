"""Staged files: rows for any raw table, written as an extract writes them."""

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.tables import Kind, Table

NOVEMBER_20, NOVEMBER_21 = date(2026, 11, 20), date(2026, 11, 21)
_VALUES = {Kind.STRING: "text {}", Kind.TIMESTAMP: "2026-11-21T05:06:07.0000{:02}+00:00"}


def make_row(table: Table, day: date, number: int = 0, **values: Any) -> dict[str, Any]:
    """A row of a business date; `values` instead of what it would hold."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.kind is Kind.INTEGER:
            row[column.name] = number
        elif column.kind is Kind.DATE:
            row[column.name] = day.isoformat()
        else:
            row[column.name] = _VALUES[column.kind].format(number % 100)
    return row | values


def make_rows(table: Table, day: date, count: int, **values: Any) -> list[dict[str, Any]]:
    return [make_row(table, day, number, **values) for number in range(count)]


def stage(folder: Path, *files: Sequence[Mapping[str, Any]] | bytes) -> list[Path]:
    """A file for each list of rows; bytes are written as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, content in enumerate(files):
        lines = content if isinstance(content, bytes) else b"".join(map(_line, content))
        paths.append(folder / f"{number:04}.json.gz")
        with gzip.open(paths[-1], "wb") as file:
            file.write(lines)
    return paths


def totals(table: Table, rows: Iterable[Mapping[str, Any]]) -> Totals:
    """What rows add up to."""
    found = list(rows)
    return Totals(len(found), sum(row[table.amount] for row in found) if table.amount else None, None)


def partition(table: Table, day: date = NOVEMBER_21) -> Partition:
    return Partition.of(table, day)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"
