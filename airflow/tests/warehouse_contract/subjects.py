"""The warehouses that the suites run on, each with access to what it holds, and a load of staged rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import duckdb

from order_batch.warehouse.duckdb import DuckDbWarehouse
from order_batch.warehouse.partitions import Totals
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import Table
from tests.bigquery.warehouse import connected
from tests.content_hash import content_hash
from tests.fake_bigquery.server import FakeBigQuery, serving
from tests.fake_bigquery.storage import StoredTable
from tests.staged import partition, stage, totals


class Subject(Protocol):
    """A warehouse, and a hand in what it holds."""

    warehouse: Warehouse

    def raw_rows(self, table: Table) -> list[dict[str, Any]]: ...
    def drop_column(self, table: Table, name: str) -> None: ...
    def make_mart(
        self, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], kind: str, layer: str = "gold"
    ) -> None: ...


class DuckDbSubject:
    _TYPES: Mapping[str, str] = {
        "STRING": "varchar", "INT64": "bigint", "NUMERIC": "decimal(38, 9)", "FLOAT64": "double", "BOOL": "boolean",
        "DATE": "date", "TIMESTAMP": "timestamptz", "DATETIME": "timestamp",
    }  # fmt: skip

    def __init__(self, path: Path) -> None:
        self._path = path
        self.warehouse: Warehouse = DuckDbWarehouse(path)

    def raw_rows(self, table: Table) -> list[dict[str, Any]]:
        with duckdb.connect(self._path) as connection:
            names = [column.name for column in table.stored_columns]
            found = connection.execute(f"select {', '.join(names)} from raw.{table.name}").fetchall()
            return [dict(zip(names, row, strict=True)) for row in found]

    def drop_column(self, table: Table, name: str) -> None:
        with duckdb.connect(self._path) as connection:
            connection.execute(f"alter table raw.{table.name} drop column {name}")

    def make_mart(
        self, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], kind: str, layer: str = "gold"
    ) -> None:
        with duckdb.connect(self._path) as connection:
            connection.execute(f"create schema if not exists {layer}")
            definitions = ", ".join(f"{column} {self._TYPES[kind]}" for column, kind in columns.items())
            connection.execute(f"create table {layer}.{name}_rows ({definitions})")
            connection.executemany(f"insert into {layer}.{name}_rows values ({', '.join('?' * len(columns))})", rows)
            connection.execute(f"create {kind} {layer}.{name} as from {layer}.{name}_rows")


class BigQuerySubject:
    def __init__(self, fake: FakeBigQuery, warehouse: Warehouse) -> None:
        self._fake = fake
        self.warehouse = warehouse

    def raw_rows(self, table: Table) -> list[dict[str, Any]]:
        return self._fake.storage.table("orderwatch_raw", table.name).rows

    def drop_column(self, table: Table, name: str) -> None:
        stored = self._fake.storage.table("orderwatch_raw", table.name)
        stored.resource["schema"]["fields"] = [field for field in stored.fields if field["name"] != name]
        for row in stored.rows:
            del row[name]

    def make_mart(
        self, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], kind: str, layer: str = "gold"
    ) -> None:
        reference = {"projectId": self._fake.project, "datasetId": f"orderwatch_{layer}", "tableId": name}
        fields = [{"name": column, "type": kind} for column, kind in columns.items()]
        resource = {"tableReference": reference, "schema": {"fields": fields}}
        self._fake.storage.insert_table(f"orderwatch_{layer}", resource)
        table: StoredTable = self._fake.storage.table(f"orderwatch_{layer}", name)
        table.resource["type"] = kind.upper()
        table.rows = [dict(zip(columns, row, strict=True)) for row in rows]


@contextmanager
def duckdb_subject(folder: Path) -> Iterator[Subject]:
    yield DuckDbSubject(folder / "warehouse.duckdb")


@contextmanager
def bigquery_subject() -> Iterator[Subject]:
    with serving(FakeBigQuery()) as fake, connected(fake) as warehouse:
        # Small answers, so that tables take several.
        fake.calls.page_size = 2
        yield BigQuerySubject(fake, warehouse)
    assert fake.violations == []


def load(subject: Subject, folder: Path, table: Table, day: date, *files: list[dict[str, Any]]) -> None:
    rows = [row for file in files for row in file]
    subject.warehouse.load(table, partition(table, day), stage(table, folder, *files), totals(table, rows))


def held(subject: Subject, table: Table, day: date) -> tuple[int, int | None]:
    """Rows and amount of a partition, whose hash is that of the rows that are there."""
    wanted = partition(table, day)
    found = subject.warehouse.totals(table, wanted.start, wanted.last).get(wanted, Totals.empty(table))
    rows = [row for row in subject.raw_rows(table) if partition(table, row[table.partition_column]) == wanted]
    assert found.content_hash == content_hash(table, rows)
    return found.rows, found.amount
