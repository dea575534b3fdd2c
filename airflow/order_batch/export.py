"""Export of raw tables to Parquet files: decided orders for a replay, from any warehouse.

A folder per table with a file per business date: `orders/2026-11-20.parquet`, `rule_hits/2026-11-20.parquet`.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow.parquet as pq

from order_batch.warehouse.port import Relation, Warehouse
from order_batch.warehouse.tables import ORDERS, RULE_HITS, Table

EXPORTED: Final = (ORDERS, RULE_HITS)


class ExportedDate(NamedTuple):
    """How many rows of a business date were written."""

    day: date
    orders: int
    rule_hits: int


def export_dates(warehouse: Warehouse, days: Iterable[date], folder: Path) -> Iterator[ExportedDate]:
    """Write the decided orders of business dates below a folder, with the hits of their rules.

    A date that was exported before is replaced, each file as a whole; one without rows has no file. Raises
    WarehouseError, WarehouseUnavailableError and OSError.
    """
    for table in EXPORTED:
        (folder / table.name).mkdir(parents=True, exist_ok=True)
    for day in days:
        orders, rule_hits = (_export(warehouse, table, day, folder) for table in EXPORTED)
        yield ExportedDate(day, orders, rule_hits)


def _export(warehouse: Warehouse, table: Table, day: date, folder: Path) -> int:
    path = folder / table.name / f"{day}.parquet"
    unfinished = path.with_suffix(".unfinished")
    try:
        with warehouse.raw(table, day) as relation:
            rows = _write(relation, unfinished)
        if rows:
            unfinished.replace(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


def _write(relation: Relation, path: Path) -> int:
    """Write all rows to a file, if there are any; returns how many."""
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in relation.batches():
            if batch.num_rows:
                writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
                writer.write_batch(batch)
                rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows
