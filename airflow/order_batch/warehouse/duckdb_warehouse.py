"""DuckDB as the warehouse: one file, with nothing to sign up for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from order_batch.warehouse.duckdb_file import connect_when_free
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.port import Relation, WarehouseError
from order_batch.warehouse.queries import arranged
from order_batch.warehouse.single_writer import single_writer
from order_batch.warehouse.tables import ORDERS, TABLES, Column, Kind, Table
from order_batch.warehouse.totals import Totals

_TYPES = {Kind.STRING: "varchar", Kind.INTEGER: "bigint", Kind.TIMESTAMP: "timestamptz", Kind.DATE: "date"}
_POSTGRES_TYPES = {
    "VARCHAR": "text",
    "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint", "HUGEINT": "numeric",
    "DOUBLE": "double precision", "FLOAT": "real", "BOOLEAN": "boolean", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz",
}  # fmt: skip
# A day of a million orders fits in with room to spare; without a limit DuckDB takes most of the machine.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GB", "threads": "2", "preserve_insertion_order": "false",
}  # fmt: skip
_ROWS_AT_ONCE = 10_000


class DuckDbWarehouse:
    """The Warehouse in a DuckDB file. Each call opens it and closes it again: dbt needs it for itself in between."""

    def __init__(self, path: Path, wait_seconds: float = 60.0) -> None:
        self._path = path
        self._wait_seconds = wait_seconds

    @property
    def name(self) -> str:
        return f"duckdb:{self._path.absolute()}"

    def prepare(self) -> None:
        with self._connected() as connection:
            connection.execute("create schema if not exists raw")
            for table in TABLES:
                columns = ", ".join(map(_definition, table.columns))
                connection.execute(f"create table if not exists raw.{table.name} ({columns})")
                # What a table of an earlier release lacks; a required column could not be added.
                for column in table.columns:
                    if not column.required:
                        added = f"{column.name} {_TYPES[column.kind]}"
                        connection.execute(f"alter table raw.{table.name} add column if not exists {added}")

    def load(self, table: Table, partition: Partition, files: Sequence[Path], expected: Totals) -> None:
        with self._connected() as connection:
            connection.begin()
            connection.execute(f"delete from raw.{table.name} where {_within(table)}", [partition.start, partition.end])
            inserted = _insert(connection, table, files) if files else 0
            held = _totals(connection, table, partition)
            difference = expected.difference(held)
            if inserted != held.rows:
                difference = f"{inserted - held.rows:,} rows of the files belong to other partitions"
            if difference is not None:
                connection.rollback()
                raise WarehouseError(
                    f"raw.{table.name} of {partition} stays as it was: {difference}. Run the load again; when it "
                    f"differs again, keep the staged files and see docs/warehouse.md"
                )
            connection.commit()

    def totals(self, table: Table, partition: Partition) -> Totals:
        with self._connected() as connection:
            return _totals(connection, table, partition)

    def orders(self, day: date, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        statement = f"select * from raw.{ORDERS.name} where business_date = $1 and list_contains($2, order_id)"
        with self._connected() as connection:
            found = connection.execute(statement, [day, list(order_ids)])
            names = [name for name, *_ in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    @contextmanager
    def gold(self, mart: str, order_by: Sequence[str] = (), limit: int | None = None) -> Iterator[Relation]:
        with self._connected() as connection:
            try:
                found = connection.execute(f'select * from gold."{mart}"{arranged(order_by, limit)}')
            except duckdb.CatalogException as error:
                raise WarehouseError(f"there is no gold.{mart} in {self._path}: run dbt first") from error
            yield _Result(found)

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with (
            single_writer(self._path),
            connect_when_free(self._path, self._wait_seconds, _SETTINGS) as connection,
        ):
            connection.execute("set TimeZone = 'UTC'")
            yield connection


class _Result:
    """A Relation that is a query's result."""

    def __init__(self, result: duckdb.DuckDBPyConnection) -> None:
        self._result = result

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        return [(name, _postgres_type(str(kind))) for name, kind, *_ in self._result.description or ()]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        while rows := self._result.fetchmany(_ROWS_AT_ONCE):
            yield from rows


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> int:
    """Returns the number of rows, wherever they belong."""
    columns = {column.name: _TYPES[column.kind] for column in table.columns}
    try:
        inserted = connection.execute(
            f"insert into raw.{table.name} by name select * from "
            "read_json($files, format = 'newline_delimited', compression = 'gzip', columns = $columns)",
            {"files": [str(file) for file in files], "columns": columns},
        ).fetchone()
    except duckdb.Error as error:
        connection.rollback()
        raise WarehouseError(f"a row does not fit raw.{table.name}: {error}") from error
    assert inserted is not None
    return int(inserted[0])


def _totals(connection: duckdb.DuckDBPyConnection, table: Table, partition: Partition) -> Totals:
    # Not cast to 64 bits, which a day's sum may exceed.
    amount = f"coalesce(sum({table.amount}), 0)" if table.amount else "null"
    found = connection.execute(
        f"select count(*), {amount} from raw.{table.name} where {_within(table)}", [partition.start, partition.end]
    ).fetchone()
    assert found is not None
    return Totals(found[0], found[1], None)


def _within(table: Table) -> str:
    return f"{table.partition_column} >= $1 and {table.partition_column} < $2"


def _definition(column: Column) -> str:
    return f"{column.name} {_TYPES[column.kind]}{' not null' if column.required else ''}"


def _postgres_type(name: str) -> str:
    return "numeric" if name.startswith("DECIMAL") else _POSTGRES_TYPES[name]
