"""Publishing: gold tables of the warehouse, copied to Postgres' schema `marts`, where the API reads them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from order_batch.warehouse.port import Relation, Warehouse

SCHEMA = "marts"
# The first column of each published table: a row's place in the mart's order, by which the API turns pages.
POSITION = "position"

_LOCK = "select pg_advisory_xact_lock(hashtext('marts'))"
_RECORD = """
    insert into published_marts (name, description, rows, publication) values (%s, %s, %s, %s)
    on conflict (name) do update set description = excluded.description, rows = excluded.rows,
        publication = excluded.publication, published_at = now()
"""


@dataclass(frozen=True, slots=True)
class Mart:
    """A gold model as dbt describes it; `order_by` are SQL expressions over its columns."""

    name: str
    description: str
    columns: dict[str, str]
    """Descriptions by column."""
    order_by: Sequence[str]


def marts(dbt_project: Path) -> list[Mart]:
    """The gold models of the last build, from dbt's manifest."""
    manifest = orjson.loads((dbt_project / "target" / "manifest.json").read_bytes())
    return sorted(
        (
            Mart(
                node["name"],
                " ".join(node["description"].split()),
                {column["name"]: column["description"] for column in node["columns"].values()},
                node["config"].get("meta", {}).get("order_by", []),
            )
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model" and "gold" in node["fqn"]
        ),
        key=lambda mart: mart.name,
    )


def publish(connection: "psycopg.Connection[Any]", warehouse: Warehouse, found: Sequence[Mart]) -> dict[str, int]:
    """Replace what is published by these marts, all at once; returns the number of rows of each.

    Readers see the old tables until the new ones are complete. Raises WarehouseError when a mart is not there.
    """
    publication = uuid.uuid4()
    rows = {}
    with connection.transaction():
        connection.execute(_LOCK)  # two publish one after the other
        for mart in found:
            with warehouse.gold(mart.name) as relation:
                rows[mart.name] = _copy(connection, mart, relation)
        names = [mart.name for mart in found]
        for (gone,) in connection.execute("select name from published_marts where name <> all(%s)", [names]).fetchall():
            connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, gone)))
            connection.execute("delete from published_marts where name = %s", [gone])
        for mart in found:
            connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, mart.name)))
            connection.execute(SQL("alter table {} rename to {}").format(_new(mart), Identifier(mart.name)))
            connection.execute(_RECORD, [mart.name, mart.description, rows[mart.name], publication])
    return rows


def _new(mart: Mart) -> Identifier:
    return Identifier(SCHEMA, f"new_{mart.name}")


def _copy(connection: "psycopg.Connection[Any]", mart: Mart, relation: Relation) -> int:
    """Make the new table of a mart, its rows numbered in its order."""
    names = [name for name, _ in relation.columns]
    columns = SQL(", ").join(SQL("{} {}").format(Identifier(name), SQL(kind)) for name, kind in relation.columns)
    connection.execute(SQL("create temporary table unordered ({}) on commit drop").format(columns))
    with connection.cursor() as cursor, cursor.copy("copy unordered from stdin") as copy:
        count = 0
        for row in relation.rows():
            copy.write_row(row)
            count += 1
    # Every column, so that rows which the mart's order leaves side by side always come in the same order.
    order = [SQL(expression) for expression in mart.order_by] + [Identifier(name) for name in names]
    ordered = SQL("create table {} as select row_number() over (order by {}) as {}, * from unordered")
    connection.execute(ordered.format(_new(mart), SQL(", ").join(order), Identifier(POSITION)))
    connection.execute(SQL("alter table {} add primary key ({})").format(_new(mart), Identifier(POSITION)))
    connection.execute("drop table unordered")
    _describe(connection, SQL("table {}").format(_new(mart)), mart.description)
    for name in names:
        column = SQL("column {}.{}").format(_new(mart), Identifier(name))
        _describe(connection, column, mart.columns.get(name, ""))
    return count


def _describe(connection: "psycopg.Connection[Any]", what: Composable, description: str) -> None:
    connection.execute(SQL("comment on {} is {}").format(what, Literal(description)))
