"""Staged files: rows of a raw table as Parquet, between Postgres and the warehouse.

Parquet has the warehouses' types, so that no value is written as text and read back: 64-bit integers stay exact.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from order_batch.warehouse.port import WarehouseError
from order_batch.warehouse.tables import Kind, Table

SUFFIX: Final = ".parquet"
COMPRESSION: Final = "zstd"
FILE_BYTES: Final = 512 * 1024**2
"""From this size on a file is closed and the next one begun; the rows of one batch, at most 16 MiB, come on top."""

_TYPES: Final = {
    Kind.STRING: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
    Kind.DATE: pa.date32(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The columns of a raw table; required ones admit no null."""
    return pa.schema(
        [pa.field(each.name, _TYPES[each.kind], nullable=not each.required) for each in table.stored_columns]
    )


def write_files(
    table: Table, batches: Iterable[pa.RecordBatch], folder: Path, file_bytes: int = FILE_BYTES
) -> Iterator[Path]:
    """Write batches of rows, whose columns are those of the table in its order, to files; yields the finished files.

    No rows give no file.
    """
    schema = arrow_schema(table)
    filled = (batch for batch in batches if batch.num_rows)
    batch = next(filled, None)
    number = 0
    while batch is not None:
        path = folder / f"{number:04}{SUFFIX}"
        with ExitStack() as opened:
            file = opened.enter_context(path.open("wb"))
            writer = opened.enter_context(pq.ParquetWriter(file, schema, compression=COMPRESSION))
            written = False  # whatever the limit, a file has rows
            while batch is not None and not (written and file.tell() >= file_bytes):
                columns = [column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                written = True
                batch = next(filled, None)
        yield path
        number += 1


def check_files(table: Table, files: Sequence[Path]) -> None:
    """Raises WarehouseError, naming the file, for one that cannot be read or whose schema is not the table's."""
    expected = arrow_schema(table)
    for path in files:
        try:
            found = pq.read_schema(path)
        except (OSError, pa.ArrowException) as error:
            raise WarehouseError(
                f"raw.{table.name} is unchanged, its staged file {path} cannot be read: {error}. Was it deleted, or is "
                "the disk full? Run the load again"
            ) from error
        if (difference := _difference(found, expected)) is not None:
            raise WarehouseError(f"raw.{table.name} is unchanged, {path} does not fit it: {difference}")


def _difference(found: pa.Schema, expected: pa.Schema) -> str | None:
    """Describes the first column that differs; None if all are the same."""
    there, here = ({field.name: _shown(field) for field in schema} for schema in (found, expected))
    for name in [*here, *there.keys() - here.keys()]:
        if there.get(name) != here.get(name):
            return f"column {name} is {there.get(name, 'missing')} there, {here.get(name, 'unknown')} here"
    return None


def _shown(field: pa.Field) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"
