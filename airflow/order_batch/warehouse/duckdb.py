"""The warehouse in a DuckDB file, which one process at a time may open."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import structlog

from order_batch.warehouse import duckdb_models
from order_batch.warehouse.duckdb_totals import DuckDbTotals, partition_start
from order_batch.warehouse.erasure import HIT_VALUES, ORDER_VALUES, USER_VALUES, raw_assignments
from order_batch.warehouse.file_lock import file_lock
from order_batch.warehouse.models import BuiltModel
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.port import (
    BuiltPartition,
    Relation,
    WarehouseError,
    WarehouseUnavailableError,
    dates_clause,
    order_limit_clause,
)
from order_batch.warehouse.staged_files import check_files
from order_batch.warehouse.tables import ORDERS, TABLES, USERS, Column, Kind, Table

log = structlog.get_logger()

_PAUSE: Final = 0.1
_WARN_AFTER_SECONDS: Final = 2.0
_LOCKED = re.compile(r"Could not set lock on file")
_PID = re.compile(r"\(PID (\d+)\)")
_SHOWN: Final = 120
"""Characters of another process' command."""


@contextmanager
def connect_when_free(
    path: Path, wait_seconds: float, options: Mapping[str, Any]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the file, after waiting for another process that has it open; a long wait is logged.

    Raises WarehouseUnavailableError, which names that process, and WarehouseError for a file that is not a DuckDB file.
    """
    began = time.monotonic()
    warned = False
    while True:
        try:
            connection = duckdb.connect(path, config=dict(options))
            break
        except duckdb.Error as error:
            text = str(error)
        if _LOCKED.search(text) is None:
            raise WarehouseError(f"{path} cannot be opened as a DuckDB file: {_first_line(text)}")
        holder, waited = _holder(text), time.monotonic() - began
        if waited >= wait_seconds:
            raise WarehouseUnavailableError(
                f"{path} is open in {holder}, for {waited:.0f} s already: DuckDB admits one process at a time. End "
                "that process or close the file there, then run this again; to wait longer, raise "
                "ORDERWATCH_WAREHOUSE_WAIT_SECONDS"
            )
        if not warned and waited >= min(_WARN_AFTER_SECONDS, wait_seconds / 2):
            log.warning("waiting_for_the_warehouse", path=str(path), open_in=holder, seconds=wait_seconds)
            warned = True
        time.sleep(_PAUSE)
    with connection:
        yield connection


def _holder(text: str) -> str:
    """The process that has the file open, as DuckDB and the system name it."""
    found = _PID.search(text)
    if found is None:
        return "another process"
    try:
        arguments = Path(f"/proc/{found[1]}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
    except OSError:  # not Linux, or it has ended
        arguments = b""
    command = "".join(each if each.isprintable() else " " for each in arguments.decode(errors="replace"))
    if len(command) > _SHOWN:
        command = f"{command[:_SHOWN]}..."
    return f"process {found[1]} ({command})" if command else f"process {found[1]}"


def _first_line(text: str) -> str:
    return text.removeprefix("IO Error: ").partition("\n")[0]


_TYPES = {Kind.STRING: "varchar", Kind.INTEGER: "bigint", Kind.TIMESTAMP: "timestamptz", Kind.DATE: "date"}
# Documents have nearly the same text in each row: with zstd they take a quarter of the space that DuckDB's own choice
# takes, and half of the CPU time to write.
_COMPRESSIONS = {"features": " using compression zstd"}
_POSTGRES_TYPES = {
    "VARCHAR": "text",
    "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint", "HUGEINT": "numeric",
    "DOUBLE": "double precision", "FLOAT": "real", "BOOLEAN": "boolean", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz",
}  # fmt: skip
# Enough for a day of a million orders; without a limit DuckDB takes most of the machine's memory.
SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "1GB", "threads": "2", "preserve_insertion_order": "false",
    "python_enable_replacements": False,  # a table that is missing is not a variable of the same name
}  # fmt: skip


class DuckDbWarehouse:
    """The Warehouse in a DuckDB file. Each call opens and closes it: dbt needs exclusive access in between."""

    def __init__(self, path: Path, wait_seconds: float = 60.0) -> None:
        self._path = path
        self._wait_seconds = wait_seconds
        self._totals = DuckDbTotals()

    @property
    def name(self) -> str:
        return f"duckdb:{self._path.absolute()}"

    def prepare(self) -> None:
        with self._connect() as connection:
            connection.execute("create schema if not exists raw")
            for table in TABLES:
                columns = ", ".join(map(_definition, table.stored_columns))
                connection.execute(f"create table if not exists raw.{table.name} ({columns})")
                # Add the columns that a table of an earlier release lacks; all of them are nullable.
                for column in table.stored_columns:
                    if not column.required:
                        added = f"{column.name} {_TYPES[column.kind]}"
                        connection.execute(f"alter table raw.{table.name} add column if not exists {added}")
            duckdb_models.create_versions(connection)

    def load(self, table: Table, partition: Partition, files: Sequence[Path], expected: Totals) -> None:
        check_files(table, files)
        with self._connect() as connection:
            connection.begin()
            connection.execute(f"delete from raw.{table.name} where {_within(table)}", [partition.start, partition.end])
            inserted = _insert(connection, table, files) if files else 0
            found = self._totals.hash(connection, table, partition.start, partition.last)
            held = found.get(partition, Totals.empty(table))
            difference = expected.difference(held)
            if inserted != held.rows:
                difference = f"{inserted - held.rows:,} rows of the files belong to other partitions"
            if difference is not None:
                connection.rollback()
                raise WarehouseError(
                    f"raw.{table.name} of {partition} is unchanged: {difference}. Run the load again; if it "
                    f"differs again, keep the staged files and see docs/warehouse.md"
                )
            connection.commit()

    def totals(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        with self._connect() as connection:
            return self._totals.read(connection, table, first, last)

    def row_counts(self, table: Table, first: date, last: date) -> dict[Partition, int]:
        statement = (
            f"select {partition_start(table)}, count(*) from raw.{table.name} "
            f"where {table.partition_column} between $1 and $2 group by 1"
        )
        with self._connect() as connection:
            found = connection.execute(statement, [first, last]).fetchall()
        return {Partition(day, table.span): rows for day, rows in found}

    def built_contents(self, table: Table, first: date, last: date) -> dict[Partition, Totals | None]:
        found = self._read_built(
            "select partition_start, total_rows, amount, content_hash, is_complete from silver.built_contents "
            "where table_name = $1 and partition_start between $2 and $3",
            [table.name, first, last],
        )
        return {
            Partition(start, table.span): Totals(rows, None if amount is None else int(amount), content_hash)
            if is_complete
            else None
            for start, rows, amount, content_hash, is_complete in found
        }

    def built_partitions(self) -> Sequence[BuiltPartition]:
        found = self._read_built(
            "select table_name, partition_start, total_rows, content_hash from silver.built_partitions", []
        )
        return [BuiltPartition(*row) for row in found]

    def unfinished_dates(self) -> list[date]:
        found = self._read_built(
            "select distinct business_date from silver.agg_daily_payment_hour_orders "
            "where business_date not in (select business_date from silver.built_dates) order by business_date",
            [],
        )
        return [day for (day,) in found]

    def _read_built(self, statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Rows of what dbt says of its builds; none if it has not built that yet."""
        with self._connect() as connection:
            try:
                return connection.execute(statement, parameters).fetchall()
            except duckdb.CatalogException:
                return []

    def orders(self, day: date, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        within = "business_date = $1 and list_contains($2, order_id)"
        statement = f"select {ORDERS.column_list} from raw.{ORDERS.name} where {within}"
        with self._connect() as connection:
            found = connection.execute(statement, [day, list(order_ids)])
            names = [name for name, *_ in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def order_ids_of(self, user_id: str) -> list[str]:
        with self._connect() as connection:
            found = connection.execute(f"select order_id from raw.{ORDERS.name} where user_id = $1", [user_id])
            return [order_id for (order_id,) in found.fetchall()]

    def erase_user(self, user_id: str, pseudonym: str) -> None:
        of_user = f"select order_id from raw.{ORDERS.name} where user_id = $1"
        with self._connect() as connection:
            connection.begin()
            hits = f"update raw.rule_hits set {raw_assignments(HIT_VALUES)} where order_id in ({of_user})"
            connection.execute(hits, [user_id])
            for table, values in ((ORDERS, ORDER_VALUES), (USERS, USER_VALUES)):
                statement = f"update raw.{table.name} set user_id = $2, {raw_assignments(values)} where user_id = $1"
                connection.execute(statement, [user_id, pseudonym])
            connection.commit()

    def gold(
        self, mart: str, order_by: Sequence[str] = (), limit: int | None = None
    ) -> AbstractContextManager[Relation]:
        return self._relation("gold", mart, order_limit_clause(order_by, limit))

    def of_dates(self, view: str, days: Sequence[date], order_by: Sequence[str]) -> AbstractContextManager[Relation]:
        return self._relation("silver", view, dates_clause(days) + order_limit_clause(order_by))

    def raw(self, table: Table, day: date) -> AbstractContextManager[Relation]:
        return self._relation("raw", table.name, dates_clause([day]))

    @contextmanager
    def _relation(self, layer: str, name: str, clauses: str) -> Iterator[Relation]:
        with self._connect() as connection:
            try:
                found = connection.sql(f'select * from {layer}."{name}"{clauses}')
            except duckdb.CatalogException as error:
                raise WarehouseError(f"{layer}.{name} does not exist in {self._path}: run dbt first") from error
            yield _Result(found)

    def models(self) -> list[BuiltModel]:
        with self._connect() as connection:
            return duckdb_models.read_models(connection)

    def record_models(self, versions: Mapping[str, str]) -> None:
        with self._connect() as connection:
            duckdb_models.record_versions(connection, versions)

    def drop_models(self, models: Iterable[BuiltModel]) -> None:
        with self._connect() as connection:
            duckdb_models.drop_models(connection, models)

    def dates_only_built(self) -> list[date]:
        with self._connect() as connection:
            return duckdb_models.dates_only_built(connection)

    @contextmanager
    def _connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with (
            file_lock(self._path),
            connect_when_free(self._path, self._wait_seconds, SETTINGS) as connection,
        ):
            connection.execute("set TimeZone = 'UTC'")
            yield connection


class _Result:
    """A Relation that is a query's result."""

    def __init__(self, result: duckdb.DuckDBPyRelation) -> None:
        self._result = result

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        return [(name, _postgres_type(str(kind))) for name, kind, *_ in self._result.description or ()]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        for batch in self.batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from pa.RecordBatchReader.from_stream(self._result)


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> int:
    """Insert the rows; returns their number, whatever their partition.

    By one thread: of what two write, the checkpoint writes a half again.
    """
    connection.execute("set threads = 1")
    try:
        inserted = connection.execute(
            f"insert into raw.{table.name} by name select * from read_parquet($files)",
            {"files": [str(file) for file in files]},
        ).fetchone()
    except duckdb.Error as error:
        connection.rollback()
        raise WarehouseError(
            f"raw.{table.name} is unchanged, its staged files cannot be read: {error}. Were they deleted, or is the "
            "disk full? Run the load again"
        ) from error
    connection.execute(f"set threads = {SETTINGS['threads']}")
    assert inserted is not None
    return int(inserted[0])


def _within(table: Table) -> str:
    return f"{table.partition_column} >= $1 and {table.partition_column} < $2"


def _definition(column: Column) -> str:
    required = " not null" if column.required else ""
    return f"{column.name} {_TYPES[column.kind]}{required}{_COMPRESSIONS.get(column.name, '')}"


def _postgres_type(name: str) -> str:
    return "numeric" if name.startswith("DECIMAL") else _POSTGRES_TYPES[name]
