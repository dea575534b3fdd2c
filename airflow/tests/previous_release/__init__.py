"""A warehouse of the previous release: commit 3a39c33, 240 orders of three dates, built by its own code.

`warehouse.tar.xz` holds the DuckDB file, and the rows of Postgres that it was loaded from as lines of JSON.
"""

import json
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from order_batch.warehouse.duckdb import DuckDbWarehouse

FIRST, LAST = date(2026, 11, 18), date(2026, 11, 20)

_ARCHIVE = Path(__file__).with_name("warehouse.tar.xz")
# What the migrations of Postgres did to the rows of that release.
_ADDED: dict[str, dict[str, Any]] = {"orders": {"source_topic": "orders", "source_epoch": 1}}
_DROPPED = {"warehouse_loads": {"rows", "amount", "newest"}}


def restore(connection: "psycopg.Connection[Any]", folder: Path) -> Path:
    """Put its rows into a migrated database and its DuckDB file into a folder; returns the file's path."""
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    path = folder / "warehouse.duckdb"
    for table in ("orders", "users", "products", "warehouse_loads"):
        for line in (folder / f"{table}.jsonl").read_text().splitlines():
            row = json.loads(line) | _ADDED.get(table, {})
            row = {name: value for name, value in row.items() if name not in _DROPPED.get(table, ())}
            if table == "warehouse_loads":
                row["warehouse"] = DuckDbWarehouse(path).name
            columns = SQL(", ").join(map(Identifier, row))
            connection.execute(
                SQL("insert into {0} ({1}) select {1} from json_populate_record(null::{0}, %s)").format(
                    Identifier(table), columns
                ),
                [json.dumps(row)],
            )
    return path
