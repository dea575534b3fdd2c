"""Extraction of partitions from Postgres into gzipped newline-delimited JSON files, with their totals."""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL

from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.tables import ORDERS, PRODUCTS, RULE_HITS, USERS, Table

_BUSINESS_DATE = "(created_date at time zone 'Asia/Jakarta')::date"
_CHANGED_DATE = "(valid_from at time zone 'Asia/Jakarta')::date"


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of Postgres for a raw table.

    In `relation`, column `moment` determines the partition, and `recorded` is when the row was recorded.
    `expressions` are the columns that are computed.
    """

    relation: str
    moment: str
    recorded: str
    expressions: Mapping[str, str]

    def select(self, table: Table) -> str:
        """The rows of a partition, columns in the table's order; parameters are its two moments."""
        columns = ", ".join(
            f"{self.expressions[name]} as {name}" if name in self.expressions else name
            for name in (column.name for column in table.columns)
        )
        return f"select {columns} from {self.relation} where {self._within}"

    def totals(self, table: Table, by: str = "") -> str:
        """Rows, sum of amounts and newest row of a span; grouped by the expression `by`, if given."""
        amount = f"coalesce(sum({table.amount}), 0)" if table.amount else "null::numeric"
        values = f"count(*), {amount}, max({self.recorded})"
        if not by:
            return f"select {values} from {self.relation} where {self._within}"
        return f"select {by}, {values} from {self.relation} where {self._within} group by 1 order by 1"

    @property
    def _within(self) -> str:
        return f"{self.moment} >= %(start)s and {self.moment} < %(end)s"


# Rules that fired are elements of the order's hits. Orders without hits are skipped before their JSON is parsed.
_HITS = """(
    select o.created_date, o.stored_at, o.order_id, o.amount,
        hit ->> 'rule' as rule, hit ->> 'severity' as severity, (hit ->> 'score')::bigint as score,
        hit ->> 'mode' as mode, hit ->> 'reason' as reason
    from orders as o cross join lateral json_array_elements(o.hits) as hit
    where o.hits::text <> '[]'
) as hits"""

SOURCES: Mapping[str, Source] = {
    ORDERS.name: Source(
        "orders",
        "created_date",
        "stored_at",
        {"business_date": _BUSINESS_DATE, "attributes": "attributes::text", "features": "features::text"},
    ),
    RULE_HITS.name: Source(_HITS, "created_date", "stored_at", {"business_date": _BUSINESS_DATE}),
    USERS.name: Source("users", "valid_from", "recorded_at", {"changed_date": _CHANGED_DATE}),
    PRODUCTS.name: Source("products", "valid_from", "recorded_at", {"changed_date": _CHANGED_DATE}),
}


# Both warehouses read several files in parallel, and BigQuery accepts at most 4 GB of gzip in one file.
ROWS_PER_FILE = 250_000
# The fastest level: the files exist for seconds, and the network is not the bottleneck.
_COMPRESSION = 1
_BUFFER_BYTES = 1 << 20


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
    """Write partitions to files below `staging`, a folder of this run's own, all from one snapshot."""
    extracts = []
    with connection.transaction():
        # One snapshot, so that an order stored in the meantime does not have its hits loaded without it.
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local time zone 'UTC'")
        for table, partition in wanted:
            folder = staging / table.name / partition.id
            folder.mkdir(parents=True)
            files = tuple(_write_files(_lines(connection, table, partition), folder))
            extracts.append(Extract(table, partition, files, _totals(connection, table, partition)))
    return extracts


def _totals(connection: "psycopg.Connection[Any]", table: Table, partition: Partition) -> Totals:
    """The totals of a partition in Postgres."""
    start, end = partition.moments
    found = connection.execute(SQL(SOURCES[table.name].totals(table)), {"start": start, "end": end}).fetchone()
    assert found is not None
    rows, amount, newest = found
    return Totals(rows, None if amount is None else int(amount), newest)


def _lines(connection: "psycopg.Connection[Any]", table: Table, partition: Partition) -> Iterator[bytes]:
    """One JSON object per row. The CSV quote and delimiter never occur in JSON, so each line is the JSON itself."""
    select = SOURCES[table.name].select(table)
    start, end = partition.moments
    # COPY accepts no parameters.
    select = select.replace("%(start)s", f"'{start.isoformat()}'").replace("%(end)s", f"'{end.isoformat()}'")
    statement = (
        f"copy (select row_to_json(r) from ({select}) as r) to stdout (format csv, quote e'\\x01', delimiter e'\\x02')"
    )
    with connection.cursor() as cursor, cursor.copy(SQL(statement)) as rows:
        for row in rows:
            yield bytes(row)


def _write_files(lines: Iterator[bytes], folder: Path) -> Iterator[Path]:
    number = 0
    line = next(lines, None)
    while line is not None:
        path = folder / f"{number:04}.json.gz"
        # Without the buffer it would take a fifth longer.
        with (
            gzip.open(path, "wb", compresslevel=_COMPRESSION) as compressed,
            BufferedWriter(compressed, _BUFFER_BYTES) as file,
        ):
            count = 0
            while line is not None and count < ROWS_PER_FILE:
                file.write(line)
                count += 1
                line = next(lines, None)
        yield path
        number += 1
