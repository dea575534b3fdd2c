"""Publication of marts: gold tables copied to Postgres' schema `marts`, where the API reads them."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from order_batch.publish.names import CurrentNames, Names, read_new_names, rename
from order_batch.publish.new_dates import OrderedTable, add_new_dates
from order_batch.publish.published_partitions import (
    PublishedContent,
    published_partitions,
    replace_published_partitions,
)
from order_batch.publish.table import POSITION, SCHEMA, Published, publish_table
from order_batch.transform.results import DbtError
from order_batch.warehouse.port import BuiltPartition, Relation, Warehouse
from order_batch.warehouse.tables import ORDERS, TABLES, Table
from order_contract.advisory_locks import AdvisoryLock
from order_platform.postgres.roles import MART_READERS

_MOST_NEW_DATES: Final = 31
"""Of more dates nearly all rows of a mart have changed: it is read whole."""
MANY_ORDERS: Final = 100_000
_LARGE_PART: Final = 4
"""Where new dates have this many orders, and a quarter of all, marts are made again: to find the place of each new row
among the published ones, and to add it to their indexes, takes several times as long per row."""
_LOCK = f"select pg_advisory_xact_lock({AdvisoryLock.MARTS:d})"
_RECORD = """
    insert into published_marts as old (name, description, rows, complete, publication, version)
    values (%(name)s, %(description)s, %(rows)s, %(complete)s, %(publication)s, %(version)s)
    on conflict (name) do update set description = excluded.description, rows = excluded.rows,
        complete = excluded.complete, version = excluded.version, published_at = now(),
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
    by_date: str | None = None
    """The view of schema silver that has its rows by the dates that they depend on, where it has one."""
    names: Sequence[Names] = ()
    """What it has of the catalog, which changes without any order."""
    published_rows: int | None = None
    """How many of its first rows are published, where that is to be fewer than of any mart."""

    @property
    def order_columns(self) -> list[str]:
        """The columns of the order, without directions."""
        return [expression.split()[0] for expression in self.order_by]

    def most(self, of_any: int) -> int:
        """The most rows of it that are published."""
        return of_any if self.published_rows is None else min(of_any, self.published_rows)


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
    connection: "psycopg.Connection[Any]",
    warehouse: Warehouse,
    found: Sequence[MartDefinition],
    most: int,
    *,
    whole: bool = False,
) -> dict[str, int]:
    """Publish these marts and no other, all at once; returns the number of rows of each. Only what changed is written.

    Of a mart with more than `most` rows, or more than it names itself, those come that are first in its order: what
    people page through is not to cost more each day. Readers see the old tables until the new ones are complete. Where
    only dates are new, a mart that has its rows by date is read for these dates alone, unless `whole` says that all is
    to be read. Raises WarehouseError when a mart is not there.
    """
    publication = uuid.uuid4()
    with connection.transaction():
        connection.execute(_LOCK)  # two publish one after the other
        built = warehouse.built_partitions()
        versions = _versions(warehouse, found, most)
        # What a build left that did not finish is in the marts, and is replaced without any date being new.
        unfinished = bool(warehouse.unfinished_dates())
        days = None if whole or unfinished else _new_dates(connection, built)
        in_new_tables = days is not None and _are_large_part(days, built)
        recorded = {} if days is None or in_new_tables else _recorded(connection, versions)
        run = _Run(connection, warehouse, most, built, days or [], recorded, in_new_tables)
        published = run.publish(found)
        # A build that began in the meantime has changed marts: what it is about does not count as published.
        still_built = set(warehouse.built_partitions())
        if unfinished or still_built != set(built) or warehouse.unfinished_dates():
            versions = {}
        for mart in found:
            _swap(connection, mart, published[mart.name], run.keys)
            _record(connection, mart, published[mart.name], publication, versions.get(mart.name))
        names = list(published)
        for (gone,) in connection.execute("select name from published_marts where name <> all(%s)", [names]).fetchall():
            connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, gone)))
            connection.execute("delete from published_marts where name = %s", [gone])
        replace_published_partitions(connection, [each for each in built if each in still_built])
    return {name: done.rows for name, done in published.items()}


def differing_marts(
    connection: "psycopg.Connection[Any]", warehouse: Warehouse, found: Sequence[MartDefinition], most: int
) -> list[str]:
    """The marts whose published rows are not those of the warehouse: read whole, compared row by row, not changed."""
    with connection.transaction(force_rollback=True):
        connection.execute(_LOCK)
        known = {mart.name for mart in found}
        gone = [name for (name,) in connection.execute("select name from published_marts") if name not in known]
        complete = dict(connection.execute("select name, complete from published_marts").fetchall())
        published = _Run(connection, warehouse, most).publish(found)
    return sorted(
        [
            *gone,
            *(
                name
                for name, done in published.items()
                if done.changed or done.replacement is not None or done.complete != complete.get(name)
            ),
        ]
    )


@dataclass(slots=True)
class _Run:
    """One publication of marts, within a transaction."""

    connection: "psycopg.Connection[Any]"
    warehouse: Warehouse
    most: int
    built: Sequence[BuiltPartition] = ()
    days: Sequence[date] = ()
    """Dates that are new since the last publication, where the others are unchanged."""
    recorded: Mapping[str, bool] = field(default_factory=dict)
    """The marts that are published as the warehouse defines them now, and whether they are complete."""
    in_new_tables: bool = False
    """Whether tables of marts that have their rows by date are made again, as new dates changed most of their rows."""
    keys: dict[str, Sequence[str]] = field(default_factory=dict)
    """The key of each mart: the columns of text that its order ends in."""
    new_names: dict[str, CurrentNames | None] = field(default_factory=dict)
    """The names that are new since the last publication, by the view that has them; None where any may be."""

    def publish(self, found: Sequence[MartDefinition]) -> dict[str, Published]:
        """Change or make the tables; those that are made have to be put in the place of the old ones."""
        published: dict[str, Published] = {}
        for mart in found:
            done = self._publish_new_dates(mart) if mart.name in self.recorded else None
            published[mart.name] = done or self._publish_whole(mart)
        return published

    def _publish_whole(self, mart: MartDefinition) -> Published:
        most = mart.most(self.most)
        with self.warehouse.gold(mart.name, mart.order_by, most + 1) as relation:
            key = self.keys[mart.name] = _key(mart, relation)
            is_new = self.in_new_tables and mart.by_date is not None
            done = publish_table(self.connection, mart.name, relation, mart.order_columns, most, in_new_table=is_new)
            _prepare(self.connection, mart, [name for name, _ in relation.columns], key, done)
            return done

    def _publish_new_dates(self, mart: MartDefinition) -> Published | None:
        """Add the new dates to what is published; None when the whole mart has to be read after all."""
        new_names = [self._read_new_names(each) for each in mart.names]
        if mart.by_date is None or None in new_names:
            return None
        with self.warehouse.of_dates(mart.by_date, self.days, mart.order_by) as relation:
            key = self.keys[mart.name] = _key(mart, relation)
            table = OrderedTable(mart.name, mart.order_by, key)
            was_complete = self.recorded[mart.name]
            done = add_new_dates(self.connection, table, relation, mart.most(self.most), was_complete=was_complete)
        if done is None:
            return None
        changed = done.changed
        for each, current in zip(mart.names, new_names, strict=True):
            changed += rename(self.connection, table.published, each, current or {})
        _prepare(self.connection, mart, list(mart.columns), key, done)
        return replace(done, changed=changed)

    def _read_new_names(self, names: Names) -> CurrentNames | None:
        if names.view not in self.new_names:
            table = next(table for table in TABLES if table.name == names.table)
            published = published_partitions(self.connection, table, date.min, date.max)
            before = {partition.start: content for partition, content in published.items()}
            self.new_names[names.view] = read_new_names(self.warehouse, names, before, _contents(self.built, table))
        return self.new_names[names.view]


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
    meta = node["config"]["meta"]
    descriptions = {column["name"]: column["description"] for column in node["columns"].values()}
    names = [Names(key, each["table"], each["view"], each["columns"]) for key, each in meta.get("names", {}).items()]
    description = " ".join(node["description"].split())
    return MartDefinition(
        node["name"], description, descriptions, order_by, meta.get("by_date"), names, meta.get("published_rows")
    )


def _versions(warehouse: Warehouse, found: Sequence[MartDefinition], most: int) -> dict[str, str]:
    """What the rows of each mart by date depend on but its dates: a hash, the same while that does not change."""
    by_date = [mart for mart in found if mart.by_date is not None]
    built = {model.name: model.version for model in warehouse.models()} if by_date else {}
    return {
        mart.name: sha256(
            repr((built[mart.name], list(mart.order_by), mart.by_date, mart.most(most))).encode()
        ).hexdigest()
        for mart in by_date
        if built.get(mart.name) is not None
    }


def _recorded(connection: "psycopg.Connection[Any]", versions: Mapping[str, str]) -> dict[str, bool]:
    """The marts that were published last in these versions, and whether they are complete."""
    found = connection.execute("select name, version, complete from published_marts where version is not null")
    return {name: complete for name, version, complete in found if versions.get(name) == version}


def _new_dates(connection: "psycopg.Connection[Any]", built: Sequence[BuiltPartition]) -> list[date] | None:
    """The dates of orders that were built and not published; None if others are not published as they were built."""
    published = published_partitions(connection, ORDERS, date.min, date.max)
    now = _contents(built, ORDERS)
    if any(now.get(partition.start) != content for partition, content in published.items()):
        return None
    days = sorted(now.keys() - {partition.start for partition in published})
    return days if 0 < len(days) <= _MOST_NEW_DATES else None


def _are_large_part(days: Sequence[date], built: Sequence[BuiltPartition]) -> bool:
    """Whether these dates have so many of all orders that tables of marts are made again."""
    rows = {day: content.rows for day, content in _contents(built, ORDERS).items()}
    new = sum(rows[day] for day in days)
    return new >= MANY_ORDERS and _LARGE_PART * new >= sum(rows.values())


def _contents(built: Sequence[BuiltPartition], table: Table) -> dict[date, PublishedContent]:
    """What was built of a raw table, by the first date of the partition."""
    return {each.start: PublishedContent(each.rows, each.content_hash) for each in built if each.table == table.name}


def _prepare(
    connection: "psycopg.Connection[Any]",
    mart: MartDefinition,
    columns: Iterable[str],
    key: Sequence[str],
    done: Published,
) -> None:
    """Index a new table, and describe the columns of an old one as well: descriptions may have changed."""
    table = done.replacement or Identifier(SCHEMA, mart.name)
    if done.replacement is not None:
        for name in key:
            index = SQL("create index on {} ({}, {})")
            connection.execute(index.format(table, Identifier(name), Identifier(POSITION)))
    _describe(connection, SQL("table {}").format(table), mart.description)
    for name in columns:
        _describe(connection, SQL("column {}.{}").format(table, Identifier(name)), mart.columns.get(name, ""))


def _swap(
    connection: "psycopg.Connection[Any]", mart: MartDefinition, done: Published, keys: Mapping[str, Sequence[str]]
) -> None:
    """Put the new table, if there is one, in the place of the old one."""
    if done.replacement is not None:
        connection.execute(SQL("drop table if exists {}").format(Identifier(SCHEMA, mart.name)))
        connection.execute(SQL("alter table {} rename to {}").format(done.replacement, Identifier(mart.name)))
    if mart.by_date is not None:
        connection.execute(OrderedTable(mart.name, mart.order_by, keys[mart.name]).index())
    _grant(connection, mart)


def _record(
    connection: "psycopg.Connection[Any]",
    mart: MartDefinition,
    done: Published,
    publication: uuid.UUID,
    version: str | None,
) -> None:
    """Record what was published. A mart of which no row changed keeps its publication, and readers their pages."""
    connection.execute(
        _RECORD,
        {
            "name": mart.name, "description": mart.description, "rows": done.rows, "complete": done.complete,
            "publication": publication, "changed": done.changed > 0, "version": version,
        },
    )  # fmt: skip


def _key(mart: MartDefinition, relation: Relation) -> list[str]:
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
