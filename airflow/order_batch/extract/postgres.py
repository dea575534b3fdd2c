"""Extraction of partitions from Postgres into Parquet files, with their totals."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_manager
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL

from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.staged_files import FILE_BYTES, write_files
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


_SNAPSHOT = "set transaction isolation level repeatable read, read only"


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
    connection: "psycopg.Connection[Any]",
    wanted: Iterable[tuple[Table, Partition]],
    staging: Path,
    file_bytes: int = FILE_BYTES,
) -> list[Extract]:
    """Write partitions to files below `staging`, a folder of this run's own, all from one snapshot."""
    extracts = []
    with connection.transaction():
        # One snapshot, so that an order stored in the meantime does not have its hits loaded without it.
        connection.execute(_SNAPSHOT)
        with _arrow_cursor(connection) as cursor:
            for table, partition in wanted:
                folder = staging / table.name / partition.id
                folder.mkdir(parents=True)
                files = tuple(write_files(table, _batches(cursor, table, partition), folder, file_bytes))
                extracts.append(Extract(table, partition, files, _totals(connection, table, partition)))
    return extracts


def _totals(connection: "psycopg.Connection[Any]", table: Table, partition: Partition) -> Totals:
    """The totals of a partition in Postgres."""
    start, end = partition.moments
    found = connection.execute(SQL(SOURCES[table.name].totals(table)), {"start": start, "end": end}).fetchone()
    assert found is not None
    rows, amount, newest = found
    return Totals(rows, None if amount is None else int(amount), newest)


@contextmanager
def _arrow_cursor(connection: "psycopg.Connection[Any]") -> Iterator[dbapi.Cursor]:
    """A cursor of a second connection, in the snapshot of the first, that reads rows as Arrow.

    It copies rows in Postgres' binary format straight into columns; psycopg would make each row a Python object.
    """
    address = make_conninfo(**connection.info.get_parameters(), password=connection.info.password)
    found = connection.execute("select pg_export_snapshot()").fetchone()
    assert found is not None
    with _psycopg_errors(), dbapi.connect(address) as reading, closing(reading.cursor()) as cursor:
        cursor.execute(_SNAPSHOT)
        cursor.execute(f"set transaction snapshot '{found[0]}'")
        yield cursor


def _batches(cursor: dbapi.Cursor, table: Table, partition: Partition) -> Iterator[pa.RecordBatch]:
    """The rows of a partition, columns in the table's order."""
    select = SOURCES[table.name].select(table)
    start, end = partition.moments
    # COPY, which the driver makes of it, accepts no parameters.
    select = select.replace("%(start)s", f"'{start.isoformat()}'").replace("%(end)s", f"'{end.isoformat()}'")
    with _psycopg_errors():
        cursor.execute(select)
        yield from cursor.fetch_record_batch()


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
