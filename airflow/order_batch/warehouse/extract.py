"""Extracts: partitions of Postgres as gzipped newline-delimited JSON, with what they add up to."""

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from shutil import rmtree
from typing import Any

import psycopg
from psycopg.sql import SQL

from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.sources import SOURCES
from order_batch.warehouse.tables import Table
from order_batch.warehouse.totals import Totals

# Several files are read at once by either warehouse, and BigQuery takes at most 4 GB of gzip in one.
ROWS_A_FILE = 250_000
# Fastest: the files live for seconds, and the network is not what one waits for.
_COMPRESSION = 1
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Extract:
    """A partition's rows in files, and their totals as Postgres counted them."""

    table: Table
    partition: Partition
    files: tuple[Path, ...]
    totals: Totals

    def discard(self) -> None:
        """Delete the files."""
        for file in self.files:
            file.unlink(missing_ok=True)


def extract(
    connection: "psycopg.Connection[Any]", wanted: Iterable[tuple[Table, Partition]], staging: Path
) -> list[Extract]:
    """Write partitions to files below `staging`, all as they are at one moment; replaces what an earlier try left."""
    extracts = []
    with connection.transaction():
        # One snapshot: an order that is stored meanwhile must not have its hits loaded without itself.
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local time zone 'UTC'")
        for table, partition in wanted:
            folder = staging / table.name / partition.id
            rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            files = tuple(_write(_lines(connection, table, partition), folder))
            extracts.append(Extract(table, partition, files, _totals(connection, table, partition)))
    return extracts


def _totals(connection: "psycopg.Connection[Any]", table: Table, partition: Partition) -> Totals:
    """What Postgres holds of a partition."""
    start, end = partition.moments
    found = connection.execute(SQL(SOURCES[table.name].totals(table)), {"start": start, "end": end}).fetchone()
    assert found is not None
    rows, amount, newest = found
    return Totals(rows, None if amount is None else int(amount), newest)


def _lines(connection: "psycopg.Connection[Any]", table: Table, partition: Partition) -> Iterator[bytes]:
    """One JSON object a row. As CSV with a quote and a delimiter that JSON never holds, a line is the JSON itself."""
    select = SOURCES[table.name].select(table)
    start, end = partition.moments
    # COPY takes no parameters.
    select = select.replace("%(start)s", f"'{start.isoformat()}'").replace("%(end)s", f"'{end.isoformat()}'")
    statement = (
        f"copy (select row_to_json(r) from ({select}) as r) to stdout (format csv, quote e'\\x01', delimiter e'\\x02')"
    )
    with connection.cursor() as cursor, cursor.copy(SQL(statement)) as rows:
        for row in rows:
            yield bytes(row)


def _write(lines: Iterator[bytes], folder: Path) -> Iterator[Path]:
    number = 0
    line = next(lines, None)
    while line is not None:
        path = folder / f"{number:04}.json.gz"
        # Line by line it would cost a fifth more.
        with (
            gzip.open(path, "wb", compresslevel=_COMPRESSION) as compressed,
            BufferedWriter(compressed, _AT_ONCE) as file,
        ):
            count = 0
            while line is not None and count < ROWS_A_FILE:
                file.write(line)
                count += 1
                line = next(lines, None)
        yield path
        number += 1
