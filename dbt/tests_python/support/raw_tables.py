"""The raw tables as the batch side describes them, without installing it: its module has no dependencies."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pyarrow

ROOT = Path(__file__).resolve().parents[3]
_DUCKDB_TYPES = {"STRING": "varchar", "INT64": "bigint", "TIMESTAMP": "timestamptz", "DATE": "date"}
_ARROW_TYPES = {
    "STRING": pyarrow.string(),
    "INT64": pyarrow.int64(),
    "TIMESTAMP": pyarrow.timestamp("us", "UTC"),
    "DATE": pyarrow.date32(),
}


def _load() -> ModuleType:
    path = ROOT / "airflow" / "order_batch" / "warehouse" / "tables.py"
    spec = importlib.util.spec_from_file_location("raw_tables_described", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


TABLES = {table.name: table for table in _load().TABLES}


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make schema raw with its tables, empty."""
    connection.execute("create schema if not exists raw")
    for table in TABLES.values():
        columns = ", ".join(
            f"{column.name} {_DUCKDB_TYPES[column.kind]}{' not null' if column.required else ''}"
            for column in table.stored_columns
        )
        connection.execute(f"create or replace table raw.{table.name} ({columns})")


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    """Append rows given by column name; a column that is not named is null."""
    described = TABLES[table].stored_columns
    schema = pyarrow.schema([(column.name, _ARROW_TYPES[column.kind]) for column in described])
    connection.register("added", pyarrow.Table.from_pylist(rows, schema))
    connection.execute(f"insert into raw.{table} by name select * from added")
    connection.unregister("added")
