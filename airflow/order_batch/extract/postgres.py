"""Extraction of partitions from Postgres into Parquet files, with their totals."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import psycopg
import pyarrow as pa
from psycopg.conninfo import make_conninfo

from order_batch.extract.sources import SOURCES
from order_batch.extract.totals import PostgresTotals
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.staged_files import FILE_BYTES, write_files
from order_batch.warehouse.tables import ROW_HASH, Table

if TYPE_CHECKING:
    from adbc_driver_postgresql import dbapi

_SNAPSHOT = "set transaction isolation level repeatable read, read only"


@dataclass(frozen=True, slots=True)
class Extract:
    """A partition's rows in files, and their totals, of the hashes that Postgres computed."""

    table: Table
    partition: Partition
    files: tuple[Path, ...]
    totals: Totals

    def discard(self) -> None:
        """Delete the files."""
        for file in self.files:
            file.unlink(missing_ok=True)


def extract(
    connection: "psycopg.Connection[Any]",
    wanted: Iterable[tuple[Table, Partition]],
    staging: Path,
    file_bytes: int = FILE_BYTES,
    totals: PostgresTotals | None = None,
) -> list[Extract]:
    """Write partitions to files below `staging`, a folder of this run's own, all from one snapshot.

    `totals` are those of the connection, where some may be known already.
    """
    totals = totals or PostgresTotals(connection)
    extracts = []
    with connection.transaction():
        # One snapshot, so that an order stored in the meantime does not have its hits loaded without it.
        connection.execute(_SNAPSHOT)
        with _arrow_cursor(connection) as cursor:
            for table, partition in wanted:
                folder = staging / table.name / partition.id
                folder.mkdir(parents=True)
                rows = _HashedRows(table)
                files = tuple(write_files(table, rows.read(cursor, partition), folder, file_bytes))
                extracts.append(Extract(table, partition, files, totals.remember(table, partition, rows.totals)))
    return extracts


@contextmanager
def _arrow_cursor(connection: "psycopg.Connection[Any]") -> "Iterator[dbapi.Cursor]":
    """A cursor of a second connection, in the snapshot of the first, that reads rows as Arrow.

    It copies rows in Postgres' binary format straight into columns; psycopg would make each row a Python object.
    """
    # Imported only where rows are extracted: with Arrow's datasets it is a fifth of the start of any command.
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415

    address = make_conninfo(**connection.info.get_parameters(), password=connection.info.password)
    found = connection.execute("select pg_export_snapshot()").fetchone()
    assert found is not None
    with _psycopg_errors(), dbapi.connect(address) as reading, closing(reading.cursor()) as cursor:
        cursor.execute(_SNAPSHOT)
        cursor.execute(f"set transaction snapshot '{found[0]}'")
        yield cursor


class _HashedRows:
    """The rows of a partition, with their totals as far as they were read.

    Postgres hashes a row in the statement that reads it, so that each row is formed once.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self.totals = Totals.empty(table)

    def read(self, cursor: "dbapi.Cursor", partition: Partition) -> Iterator[pa.RecordBatch]:
        """All rows, with the columns that the warehouse stores in their order."""
        start, end = partition.moments
        # COPY, which the driver makes of it, accepts no parameters.
        select = SOURCES[self._table.name].select_hashed(self._table)
        select = select.replace("%(start)s", f"'{start.isoformat()}'").replace("%(end)s", f"'{end.isoformat()}'")
        with _psycopg_errors():
            cursor.execute(select)
            for batch in cursor.fetch_record_batch():
                self._add(batch)
                yield batch

    def _add(self, batch: pa.RecordBatch) -> None:
        # As Python's integers: a day's sum may exceed 64 bits.
        amount, before = self._table.amount, self.totals
        self.totals = Totals(
            before.rows + batch.num_rows,
            None if amount is None else (before.amount or 0) + sum(batch[amount].to_pylist()),
            reduce(xor, batch[ROW_HASH.name].to_pylist(), before.content_hash),
        )


@contextmanager
def _psycopg_errors() -> Iterator[None]:
    """Raise errors of the Arrow driver as psycopg's: they are errors of the same database."""
    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException) as error:
        state = getattr(error, "sqlstate", None)
        try:
            kind = psycopg.errors.lookup(state or "")
        except KeyError:
            kind = psycopg.OperationalError
        raise kind(str(error)) from error
