"""Changes of a long published mart by what new business dates hold: docs/decisions/0020-publishing-new-dates.md.

Nothing is read of it but the rows of those keys (a user and a product, say) that have orders on these dates. That gives
the rows of the whole mart only if those of other dates are published and unchanged, which the caller has to know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Composed, Identifier, Literal

from order_batch.publish.table import (
    GAP,
    PLACE,
    POSITION,
    SCHEMA,
    STAGED,
    Published,
    can_be_changed,
    columns_list,
    stage,
)
from order_batch.warehouse.port import Relation

_DATE: Final = "business_date"
_NEW: Final = "is_new"
"""A column that a relation may have: whether a row's key has orders of no other date, and so is not published yet."""
_ADDED = Identifier("pg_temp", "added_rows")

# Of a long table a few rows are looked up, which is not worth reading all of it.
_PLANNING: Final = "set local enable_nestloop = on"
# A row of several dates is the same row.
_DISTINCT: Final = """
    delete from {staged} as staged using {staged} as other
    where other.ordinal < staged.ordinal and ({key}) = ({other_key})
"""
# Rows behind the last one of a table that is full. None of them has a key that is published: rows only move up.
_BEYOND: Final = """
    delete from {staged} as staged
    using (select * from {published} order by {position} desc limit 1) as last
    where ({last_order}) < ({staged_order})
"""
# Between which published rows each staged one belongs. They are looked up by the index of the order: the published
# table is long, and the staged one is not.
_PLACE: Final = """
    create temporary table {added} on commit drop as
    select placed.*, row_number() over by_place as number, count(*) over (partition by low) as added
    from (
        select staged.ordinal, coalesce(before.low, 0) as low,
            (select min({position}) from {published} as published where {position} > coalesce(before.low, 0)) as high
        from {staged} as staged
        left join lateral (
            select {position} as low from {published} as published
            where ({published_order}) < ({staged_order}) order by {published_descending} limit 1
        ) as before on true
    ) as placed
    window by_place as (partition by low order by ordinal)
"""
_FITS: Final = "select coalesce(bool_and(high is null or high - low > added), true) from {added}"
_DELETE: Final = """
    delete from {published} as published using {staged} as staged
    where ({published_key}) = ({key}) and {may_be_published}
"""
_INSERT: Final = f"""
    insert into {{published}} ({{position}}, {{columns}})
    select {PLACE}, {{staged_columns}}
    from {{added}} as added inner join {{staged}} as staged using (ordinal)
"""
_CUT: Final = """
    delete from {published}
    where {position} in (select {position} from {published} order by {position} desc limit {excess})
"""


@dataclass(frozen=True, slots=True)
class OrderedTable:
    """A published table with its order, as SQL has it, and its key: the columns of text that the order ends in.

    What the order has as descending are numbers.
    """

    name: str
    order_by: Sequence[str]
    key: Sequence[str]

    @property
    def published(self) -> Identifier:
        """The table."""
        return Identifier(SCHEMA, self.name)

    def index(self) -> Composed:
        """The statement that makes the index of the order, unless it is there."""
        return SQL("create index if not exists {} on {} ({})").format(
            Identifier(f"{self.name}_by_order"), self.published, self.ascending()
        )

    def ascending(self, table: str | None = None, *, descending: bool = False) -> Composed:
        """Expressions by which rows come in the order when all of them ascend; texts as the warehouse compares them.

        With `descending` to be ordered by backwards.
        """
        return SQL(", ").join(self._expressions(table, descending=descending))

    def _expressions(self, table: str | None, *, descending: bool) -> Iterator[Composed]:
        for expression in self.order_by:
            name, _, direction = expression.partition(" ")
            column = Identifier(*([table] if table else []), name)
            if name in self.key:
                ascending = SQL("({} collate {})").format(column, Identifier("C"))
            else:
                ascending = SQL("(- {})" if direction == "desc" else "({})").format(column)
            yield SQL("{} desc").format(ascending) if descending else ascending


def add_new_dates(
    connection: "psycopg.Connection[Any]", table: OrderedTable, relation: Relation, most: int, *, was_complete: bool
) -> Published | None:
    """Change the published table to its rows and those of the relation, of which the first `most` stay.

    None, and nothing is changed, when it has another shape, or no place is left between two rows.
    """
    stage(connection, _Without(relation, frozenset({_DATE})), None)
    rows = _Without(relation, frozenset({_DATE, _NEW}))
    try:
        if not can_be_changed(connection, table.published, rows):
            return None
        says_new = any(name == _NEW for name, _ in relation.columns)
        return _add(connection, table, rows, most, was_complete=was_complete, says_new=says_new)
    finally:
        for each in (STAGED, _ADDED):
            connection.execute(SQL("drop table if exists {}").format(each))


def _add(
    connection: "psycopg.Connection[Any]",
    table: OrderedTable,
    relation: Relation,
    most: int,
    *,
    was_complete: bool,
    says_new: bool,
) -> Published | None:
    columns = [name for name, _ in relation.columns]
    names = {
        "published": table.published, "staged": STAGED, "added": _ADDED, "position": Identifier(POSITION),
        "gap": Literal(GAP), "columns": columns_list(columns), "staged_columns": columns_list(columns, "staged"),
        "key": columns_list(table.key, "staged"), "other_key": columns_list(table.key, "other"),
        "published_key": columns_list(table.key, "published"), "published_order": table.ascending("published"),
        "staged_order": table.ascending("staged"), "last_order": table.ascending("last"),
        "published_descending": table.ascending("published", descending=True),
        "may_be_published": SQL("not {}").format(Identifier("staged", _NEW)) if says_new else SQL("true"),
    }  # fmt: skip

    def run(statement: str, **more: Composed | Literal) -> "psycopg.Cursor[Any]":
        return connection.execute(SQL(statement).format(**names, **more))

    connection.execute(_PLANNING)
    run(_DISTINCT)
    before = _count(connection, table.published)
    beyond = run(_BEYOND).rowcount if before >= most else 0
    run(_PLACE)
    if run(_FITS).fetchone() != (True,):
        return None
    deleted, inserted = run(_DELETE).rowcount, run(_INSERT).rowcount
    excess = before - deleted + inserted - most
    if excess > 0:
        run(_CUT, excess=Literal(excess))
    is_complete = was_complete and excess <= 0 and not beyond
    return Published(min(before - deleted + inserted, most), is_complete, deleted + inserted)


def _count(connection: "psycopg.Connection[Any]", table: Identifier) -> int:
    ((count,),) = connection.execute(SQL("select count(*) from {}").format(table)).fetchall()
    return int(count)


@dataclass(frozen=True, slots=True)
class _Without:
    """A relation without some columns that say when to publish a row, and are not published."""

    relation: Relation
    names: frozenset[str]

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        return [(name, kind) for name, kind in self.relation.columns if name not in self.names]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        for batch in self.batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.relation.batches():
            yield batch.select([name for name, _ in self.columns])
