"""Publication of marts: gold tables copied to Postgres' schema `marts`, where the API reads them."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from order_batch.transform.dbt import DbtError
from order_batch.warehouse.port import Relation, Warehouse
from order_platform.postgres.roles import MART_READERS

SCHEMA = "marts"
# The first column of each published table: a row's place in the mart's order, by which the API turns pages.
POSITION = "position"

_LOCK = "select pg_advisory_xact_lock(hashtext('marts'))"
_RECORD = """
    insert into published_marts (name, description, rows, complete, publication) values (%s, %s, %s, %s, %s)
    on conflict (name) do update set description = excluded.description, rows = excluded.rows,
        complete = excluded.complete, publication = excluded.publication, published_at = now()
"""


@dataclass(frozen=True, slots=True)
class Mart:
    """A gold model as dbt describes it; `order_by` are columns as SQL has them, of which no two rows have the same."""

    name: str
    description: str
    columns: dict[str, str]
    """Descriptions by column."""
    order_by: Sequence[str]


class FirstRows(NamedTuple):
    """The beginning of a published mart."""

    name: str
    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


def read_marts(manifest: Mapping[str, Any]) -> list[Mart]:
    """The gold models, from dbt's manifest. Raises DbtError for one without an order."""
    nodes = manifest["nodes"].values()
    gold = [node for node in nodes if node["resource_type"] == "model" and "gold" in node["fqn"]]
    return sorted(map(_read_mart, gold), key=lambda mart: mart.name)


def publish_marts(
    connection: "psycopg.Connection[Any]", warehouse: Warehouse, found: Sequence[Mart], most: int
) -> dict[str, int]:
    """Replace what is published by these marts, all at once; returns the number of rows of each.

    Of a mart with more than `most` rows those come that are first in its order: what people page through is not to
    cost more each day. Readers see the old tables until the new ones are complete. Raises WarehouseError when a mart
    is not there.
    """
    publication = uuid.uuid4()
    copied: dict[str, tuple[int, bool]] = {}
    with connection.transaction():
        connection.execute(_LOCK)  # two publish one after the other
        for mart in found:
            with warehouse.gold(mart.name, mart.order_by, most + 1) as relation:
                copied[mart.name] = _copy(connection, mart, relation, most)
        for mart in found:
            connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, mart.name)))
            connection.execute(SQL("alter table {} rename to {}").format(_new_table(mart), Identifier(mart.name)))
            _grant(connection, mart)
            connection.execute(_RECORD, [mart.name, mart.description, *copied[mart.name], publication])
        names = list(copied)
        for (gone,) in connection.execute("select name from published_marts where name <> all(%s)", [names]).fetchall():
            connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, gone)))
            connection.execute("delete from published_marts where name = %s", [gone])
    return {name: count for name, (count, _) in copied.items()}


def read_first_rows(connection: "psycopg.Connection[Any]", count: int) -> Iterator[FirstRows]:
    """The first rows of each published mart, in its order."""
    for (name,) in connection.execute("select name from published_marts order by name").fetchall():
        mart = SQL("select * from {} order by {} limit %s").format(Identifier(SCHEMA, name), Identifier(POSITION))
        found = connection.execute(mart, [count])
        _, *columns = (column.name for column in found.description or ())
        yield FirstRows(name, columns, [tuple(row[1:]) for row in found])


def _read_mart(node: Mapping[str, Any]) -> Mart:
    order_by = node["config"]["meta"].get("order_by")
    if not order_by:
        raise DbtError(f"gold model {node['name']} has no order: give it `config.meta.order_by`, ending in its key")
    descriptions = {column["name"]: column["description"] for column in node["columns"].values()}
    return Mart(node["name"], " ".join(node["description"].split()), descriptions, order_by)


def _new_table(mart: Mart) -> Identifier:
    return Identifier(SCHEMA, f"new_{mart.name}")


def _copy(connection: "psycopg.Connection[Any]", mart: Mart, relation: Relation, most: int) -> tuple[int, bool]:
    """Make the new table of a mart; returns the number of its rows, and whether those are all."""
    columns = SQL(", ").join(SQL("{} {}").format(Identifier(name), SQL(kind)) for name, kind in relation.columns)
    create = SQL("create table {} ({} bigint generated always as identity, {})")
    connection.execute(create.format(_new_table(mart), Identifier(POSITION), columns))
    names = SQL(", ").join(Identifier(name) for name, _ in relation.columns)
    rows, count = relation.rows(), 0
    with (
        connection.cursor() as cursor,
        cursor.copy(SQL("copy {} ({}) from stdin").format(_new_table(mart), names)) as copy,
    ):
        for row in islice(rows, most):
            copy.write_row(row)
            count += 1
    complete = next(rows, None) is None
    connection.execute(SQL("alter table {} add primary key ({})").format(_new_table(mart), Identifier(POSITION)))
    for name in _keys(mart, relation):
        index = SQL("create index on {} ({}, {})")
        connection.execute(index.format(_new_table(mart), Identifier(name), Identifier(POSITION)))
    _describe(connection, SQL("table {}").format(_new_table(mart)), mart.description)
    for name, _ in relation.columns:
        column = SQL("column {}.{}").format(_new_table(mart), Identifier(name))
        _describe(connection, column, mart.columns.get(name, ""))
    return count, complete


def _keys(mart: Mart, relation: Relation) -> list[str]:
    """The columns of text that the order ends in, which are the key: the API filters by columns that have an index."""
    ordered = {expression.split()[0] for expression in mart.order_by}
    return [name for name, kind in relation.columns if name in ordered and kind == "text"]


def _grant(connection: "psycopg.Connection[Any]", mart: Mart) -> None:
    """Let those roles read it that are meant to, where roles exist: each publication makes new tables."""
    found = connection.execute("select rolname from pg_roles where rolname = any(%s)", [list(MART_READERS)])
    readers = SQL(", ").join(Identifier(role) for (role,) in found)
    if readers.as_string():
        connection.execute(SQL("grant select on {} to {}").format(Identifier(SCHEMA, mart.name), readers))


def _describe(connection: "psycopg.Connection[Any]", what: Composable, description: str) -> None:
    connection.execute(SQL("comment on {} is {}").format(what, Literal(description)))
