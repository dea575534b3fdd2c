"""Publication of marts: gold tables copied to Postgres' schema `marts`, where the API reads them."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from order_batch.publish.published_partitions import replace_published_partitions
from order_batch.publish.table import POSITION, SCHEMA, Published, publish_table
from order_batch.transform.results import DbtError
from order_batch.warehouse.port import Relation, Warehouse
from order_contract.advisory_locks import AdvisoryLock
from order_platform.postgres.roles import MART_READERS

_LOCK = f"select pg_advisory_xact_lock({AdvisoryLock.MARTS:d})"
_RECORD = """
    insert into published_marts as old (name, description, rows, complete, publication)
    values (%(name)s, %(description)s, %(rows)s, %(complete)s, %(publication)s)
    on conflict (name) do update set description = excluded.description, rows = excluded.rows,
        complete = excluded.complete, published_at = now(),
        publication = case when %(changed)s then excluded.publication else old.publication end
"""


@dataclass(frozen=True, slots=True)
class MartDefinition:
    """A gold model as dbt describes it; `order_by` are columns as SQL has them, of which no two rows have the same."""

    name: str
    description: str
    columns: dict[str, str]
    """Descriptions by column."""
    order_by: Sequence[str]

    @property
    def order_columns(self) -> list[str]:
        """The columns of the order, without directions."""
        return [expression.split()[0] for expression in self.order_by]


class FirstRows(NamedTuple):
    """The beginning of a published mart."""

    name: str
    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


def read_marts(manifest: Mapping[str, Any]) -> list[MartDefinition]:
    """The gold models, from dbt's manifest. Raises DbtError for one without an order."""
    nodes = manifest["nodes"].values()
    gold = [node for node in nodes if node["resource_type"] == "model" and "gold" in node["fqn"]]
    return sorted(map(_read_mart, gold), key=lambda mart: mart.name)


def publish_marts(
    connection: "psycopg.Connection[Any]", warehouse: Warehouse, found: Sequence[MartDefinition], most: int
) -> dict[str, int]:
    """Publish these marts and no other, all at once; returns the number of rows of each. Only what changed is written.

    Of a mart with more than `most` rows those come that are first in its order: what people page through is not to
    cost more each day. Readers see the old tables until the new ones are complete. Raises WarehouseError when a mart
    is not there.
    """
    publication = uuid.uuid4()
    published: dict[str, Published] = {}
    with connection.transaction():
        connection.execute(_LOCK)  # two publish one after the other
        built = warehouse.built_partitions()
        for mart in found:
            with warehouse.gold(mart.name, mart.order_by, most + 1) as relation:
                done = publish_table(connection, mart.name, relation, mart.order_columns, most)
                _prepare(connection, mart, relation, done)
                published[mart.name] = done
        for mart in found:
            _swap(connection, mart, published[mart.name])
            _record(connection, mart, published[mart.name], publication)
        names = list(published)
        for (gone,) in connection.execute("select name from published_marts where name <> all(%s)", [names]).fetchall():
            connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, gone)))
            connection.execute("delete from published_marts where name = %s", [gone])
        # A build that began in the meantime has changed marts: what it is about does not count as published.
        still_built = set(warehouse.built_partitions())
        replace_published_partitions(connection, [each for each in built if each in still_built])
    return {name: done.rows for name, done in published.items()}


def read_first_rows(connection: "psycopg.Connection[Any]", count: int) -> Iterator[FirstRows]:
    """The first rows of each published mart, in its order."""
    for (name,) in connection.execute("select name from published_marts order by name").fetchall():
        mart = SQL("select * from {} order by {} limit %s").format(Identifier(SCHEMA, name), Identifier(POSITION))
        found = connection.execute(mart, [count])
        _, *columns = (column.name for column in found.description or ())
        yield FirstRows(name, columns, [tuple(row[1:]) for row in found])


def _read_mart(node: Mapping[str, Any]) -> MartDefinition:
    order_by = node["config"]["meta"].get("order_by")
    if not order_by:
        raise DbtError(f"gold model {node['name']} has no order: give it `config.meta.order_by`, ending in its key")
    descriptions = {column["name"]: column["description"] for column in node["columns"].values()}
    return MartDefinition(node["name"], " ".join(node["description"].split()), descriptions, order_by)


def _prepare(connection: "psycopg.Connection[Any]", mart: MartDefinition, relation: Relation, done: Published) -> None:
    """Index a new table, and describe the columns of an old one as well: descriptions may have changed."""
    table = done.replacement or Identifier(SCHEMA, mart.name)
    if done.replacement is not None:
        for name in _keys(mart, relation):
            index = SQL("create index on {} ({}, {})")
            connection.execute(index.format(table, Identifier(name), Identifier(POSITION)))
    _describe(connection, SQL("table {}").format(table), mart.description)
    for name, _ in relation.columns:
        _describe(connection, SQL("column {}.{}").format(table, Identifier(name)), mart.columns.get(name, ""))


def _swap(connection: "psycopg.Connection[Any]", mart: MartDefinition, done: Published) -> None:
    """Put the new table, if there is one, in the place of the old one."""
    if done.replacement is not None:
        connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, mart.name)))
        connection.execute(SQL("alter table {} rename to {}").format(done.replacement, Identifier(mart.name)))
    _grant(connection, mart)


def _record(
    connection: "psycopg.Connection[Any]", mart: MartDefinition, done: Published, publication: uuid.UUID
) -> None:
    """Record what was published. A mart of which no row changed keeps its publication, and readers their pages."""
    connection.execute(
        _RECORD,
        {
            "name": mart.name, "description": mart.description, "rows": done.rows, "complete": done.complete,
            "publication": publication, "changed": done.changed > 0,
        },
    )  # fmt: skip


def _keys(mart: MartDefinition, relation: Relation) -> list[str]:
    """The columns of text that the order ends in, which are the key: the API filters by columns that have an index."""
    return [name for name, kind in relation.columns if name in mart.order_columns and kind == "text"]


def _grant(connection: "psycopg.Connection[Any]", mart: MartDefinition) -> None:
    """Let those roles read it that are meant to, where roles exist: each publication makes new tables."""
    found = connection.execute("select rolname from pg_roles where rolname = any(%s)", [list(MART_READERS)])
    readers = SQL(", ").join(Identifier(role) for (role,) in found)
    if readers.as_string():
        connection.execute(SQL("grant select on {} to {}").format(Identifier(SCHEMA, mart.name), readers))


def _describe(connection: "psycopg.Connection[Any]", what: Composable, description: str) -> None:
    connection.execute(SQL("comment on {} is {}").format(what, Literal(description)))
