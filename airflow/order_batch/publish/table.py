"""Tables of schema `marts`: created, or changed to what a mart holds now, where only rows that differ are written.

A row keeps its place in the order, `position`, for as long as it keeps its values that the order is made of. Positions
leave gaps, and a new row gets one between its neighbours', or a gap away from the only one. Where a gap is used up the
table is created again.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg.sql import SQL, Composed, Identifier, Literal

from order_batch.warehouse.port import Relation

SCHEMA: Final = "marts"
POSITION: Final = "position"
"""The first column of each published table: a row's place in the mart's order, by which the API turns pages."""

GAP: Final = 1 << 16
_FIRST: Final = 1 << 40
"""The place of the order's begin: rows come before the first one as often as between two."""
PLACE: Final = """
    case
        when added.high is null then added.low + added.number * {gap}
        when added.low = 0 and added.high > {gap} * (added.added + 1)
            then added.high - {gap} * (added.added - added.number + 1)
        else added.low + added.number * ((added.high - added.low) / (added.added + 1))
    end
"""
"""The position of each of `added` new rows between the same two published ones, by its number among them."""
STAGED, _MATCHED, _ADDED = (Identifier("pg_temp", name) for name in ("staged_mart", "matched_rows", "added_rows"))
# For the joins and sorts of a transaction: some hundred thousand rows fit. Whole tables are compared, so joins are hash
# joins: the planner takes the order for so selective that it would look up each row by the index of one column, which
# costs more with each row that a user or a product has.
PLANNING: Final = """
    set local work_mem = '64MB'; set local enable_nestloop = off; set local enable_mergejoin = off
"""

_SHAPE: Final = """
    select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute as a
    where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped and a.attidentity = '' order by a.attnum
"""
# Each staged row with the position of the published row of the same order, if there is one, and the number of such rows
# up to it: new rows stand between those of numbers `run` and `run + 1`.
_MATCH: Final = """
    create temporary table {matched} on commit drop as
    with pairs as materialized (
        select staged.ordinal, published.{position} as kept,
            ({published_columns}) is distinct from ({staged_columns}) as differs
        from {staged} as staged left join {published} as published using ({order})
    )
    select ordinal, kept, kept is not null and differs as differs, count(kept) over by_order as run,
        kept <= max(kept) over (by_order rows between unbounded preceding and 1 preceding) as is_out_of_order
    from pairs window by_order as (order by ordinal)
"""
_COUNT: Final = """
    select count(*), count(kept), count(*) filter (where differs), coalesce(bool_or(is_out_of_order), false),
        (select count(*) from {published})
    from {matched}
"""
_ADD: Final = """
    create temporary table {added} on commit drop as
    select new.ordinal, coalesce(low.kept, 0) as low, high.kept as high,
        row_number() over (partition by new.run order by new.ordinal) as number,
        count(*) over (partition by new.run) as added
    from {matched} as new
    left join {matched} as low on low.run = new.run and low.kept is not null
    left join {matched} as high on high.run = new.run + 1 and high.kept is not null
    where new.kept is null
"""
_FITS: Final = "select coalesce(bool_and(high is null or high - low > added), true) from {added}"
_DELETE: Final = """
    delete from {published} as published
    where not exists (select from {matched} as matched where matched.kept = published.{position})
"""
_UPDATE: Final = """
    update {published} as published set ({columns}) = row({staged_columns})
    from {matched} as matched inner join {staged} as staged using (ordinal)
    where matched.differs and matched.kept = published.{position}
"""
_INSERT: Final = f"""
    insert into {{published}} ({{position}}, {{columns}})
    select {PLACE}, {{staged_columns}}
    from {{added}} as added inner join {{staged}} as staged using (ordinal)
"""


@dataclass(frozen=True, slots=True)
class Published:
    """What was published: the number of rows, whether those are all of the mart, and how many were written or deleted.

    `replacement` is the table to rename, if the published one could not be changed.
    """

    rows: int
    complete: bool
    changed: int
    replacement: Identifier | None = None


def publish_table(
    connection: "psycopg.Connection[Any]",
    name: str,
    relation: Relation,
    order: Sequence[str],
    most: int,
    *,
    in_new_table: bool = False,
) -> Published:
    """Change the published table `name` to the first `most` rows of the relation, which come in their order.

    `order` are the columns that the order is made of; no two rows have the same values of them. With `in_new_table` the
    published one is not looked at. To be called within a transaction.
    """
    connection.execute(PLANNING)
    columns = [column for column, _ in relation.columns]
    published, new = Identifier(SCHEMA, name), Identifier(SCHEMA, f"new_{name}")
    if in_new_table or not _shape_of(connection, published):
        rows, complete = _fill(connection, new, relation, most)
        return Published(rows, complete, rows, new)
    rows, complete = stage(connection, relation, most)
    changed = None
    if can_be_changed(connection, published, relation):
        changed = _change(connection, published, rows, columns, order)
    replacement = None if changed is not None else _create(connection, new, relation, columns)
    for table in (STAGED, _MATCHED, _ADDED):
        connection.execute(SQL("drop table if exists {}").format(table))
    return Published(rows, complete, rows if changed is None else changed, replacement)


def _change(
    connection: "psycopg.Connection[Any]",
    published: Identifier,
    rows: int,
    columns: Sequence[str],
    order: Sequence[str],
) -> int | None:
    """Write the rows that differ; returns how many, and None when the table has to be created again."""
    names = {
        "published": published, "staged": STAGED, "matched": _MATCHED, "added": _ADDED,
        "position": Identifier(POSITION), "gap": Literal(GAP), "order": columns_list(order),
        "columns": columns_list(columns),
        "staged_columns": columns_list(columns, "staged"), "published_columns": columns_list(columns, "published"),
    }  # fmt: skip

    def run(statement: str) -> "psycopg.Cursor[Any]":
        return connection.execute(SQL(statement).format(**names))

    run(_MATCH)
    matched, kept, differing, is_out_of_order, before = run(_COUNT).fetchone() or (0, 0, 0, False, 0)
    if matched != rows or is_out_of_order:
        return None
    if kept < rows:
        run(_ADD)
        if (run(_FITS).fetchone() or (False,)) != (True,):
            return None
    changed = 0
    if kept < before:
        changed += run(_DELETE).rowcount
    if differing:
        changed += run(_UPDATE).rowcount
    if kept < rows:
        changed += run(_INSERT).rowcount
    return changed


def stage(connection: "psycopg.Connection[Any]", relation: Relation, most: int | None) -> tuple[int, bool]:
    """Copy the rows, at most so many, to a temporary table, numbered; returns how many, and whether those are all."""
    connection.execute(
        SQL("create temporary table {} (ordinal bigint not null, {}) on commit drop").format(
            STAGED, _definitions(relation)
        )
    )
    copied = _copy(connection, STAGED, relation, most, range(1, 2**63))
    connection.execute(SQL("analyze {}").format(STAGED))
    return copied


def _fill(connection: "psycopg.Connection[Any]", table: Identifier, relation: Relation, most: int) -> tuple[int, bool]:
    """Make a table of the rows, at most so many; returns how many, and whether those are all."""
    _create_empty(connection, table, relation)
    copied = _copy(connection, table, relation, most, range(_FIRST + GAP, 2**63, GAP))
    _add_primary_key(connection, table)
    return copied


def _copy(
    connection: "psycopg.Connection[Any]", table: Identifier, relation: Relation, most: int | None, numbers: range
) -> tuple[int, bool]:
    """Copy the rows, at most so many, to a table whose first column numbers them; returns the same as `stage`."""
    count, complete = 0, True
    with connection.cursor() as cursor, cursor.copy(SQL("copy {} from stdin (format csv)").format(table)) as rows:
        for batch in relation.batches():
            taken = batch if most is None else batch.slice(0, most - count)
            complete = complete and len(taken) == len(batch)
            numbered = taken.add_column(0, POSITION, pa.array(numbers[count : count + len(taken)], pa.int64()))
            rows.write(_csv(numbered))
            count += len(taken)
    return count, complete


def _csv(batch: pa.RecordBatch) -> bytes:
    """The rows as Postgres reads them: texts in quotes, and nothing at all for a null."""
    written = io.BytesIO()
    pyarrow.csv.write_csv(batch, written, pyarrow.csv.WriteOptions(include_header=False))
    return written.getvalue()


def can_be_changed(connection: "psycopg.Connection[Any]", published: Identifier, relation: Relation) -> bool:
    """Whether the table is there with the columns of the staged one, and its positions can be given."""
    return _shape_of(connection, published) == [(POSITION, "bigint"), *_shape(connection, relation)]


def _shape(connection: "psycopg.Connection[Any]", relation: Relation) -> list[tuple[str, str]]:
    """The staged columns and their types, as Postgres names them."""
    return [(name, kind) for name, kind in _shape_of(connection, STAGED) if name in dict(relation.columns)]


def _shape_of(connection: "psycopg.Connection[Any]", table: Identifier) -> list[tuple[str, str]]:
    """The columns of a table and their types; none if it does not exist."""
    return connection.execute(_SHAPE, [table.as_string()]).fetchall()


def _create(
    connection: "psycopg.Connection[Any]", table: Identifier, relation: Relation, columns: Sequence[str]
) -> Identifier:
    """A new table with the staged rows."""
    _create_empty(connection, table, relation)
    connection.execute(
        SQL("insert into {} select {} + ordinal * {}, {} from {} order by ordinal").format(
            table, Literal(_FIRST), Literal(GAP), columns_list(columns), STAGED
        )
    )
    _add_primary_key(connection, table)
    return table


def _create_empty(connection: "psycopg.Connection[Any]", table: Identifier, relation: Relation) -> None:
    connection.execute(
        SQL("create table {} ({} bigint, {})").format(table, Identifier(POSITION), _definitions(relation))
    )


def _add_primary_key(connection: "psycopg.Connection[Any]", table: Identifier) -> None:
    connection.execute(SQL("alter table {} add primary key ({})").format(table, Identifier(POSITION)))


def _definitions(relation: Relation) -> Composed:
    return SQL(", ").join(SQL("{} {}").format(Identifier(name), SQL(kind)) for name, kind in relation.columns)


def columns_list(columns: Sequence[str], table: str | None = None) -> Composed:
    """The columns, of a table where it is named, with commas between them."""
    return SQL(", ").join(Identifier(*([table] if table else []), column) for column in columns)
