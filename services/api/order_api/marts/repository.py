"""SQL about the published marts."""

from datetime import datetime
from typing import Final, NamedTuple, cast
from uuid import UUID

from order_platform.postgres.sql_builder import QueryExecutor


class PublishedMart(NamedTuple):
    """A mart in schema `marts`; `columns` are (name, type in Postgres, description)."""

    name: str
    description: str
    rows: int
    complete: bool
    publication: UUID
    published_at: datetime
    columns: list[tuple[str, str, str]]


_MARTS: Final = """
    select m.name, m.description, m.rows, m.complete, m.publication, m.published_at,
        array_agg(array[a.attname::text, format_type(a.atttypid, null), coalesce(col_description(c.oid, a.attnum), '')]
            order by a.attnum) as columns
    from published_marts as m
        join pg_class as c on c.relnamespace = 'marts'::regnamespace and c.relname = m.name
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attname <> 'position'
    group by m.name
    order by m.name
"""


async def read_marts(database: QueryExecutor) -> list[PublishedMart]:
    """All published marts."""
    records = await database.fetch(_MARTS)
    return [
        PublishedMart(*record)._replace(columns=[(column[0], column[1], column[2]) for column in record["columns"]])
        for record in records
    ]


def _column(name: str, kind: str) -> str:
    """A column, as it is sent."""
    match kind:
        case "numeric":  # JSON has no numbers of other kinds
            return f'"{name}"::float8 as "{name}"'
        case "timestamp without time zone":  # business time
            return f'"{name}" at time zone \'Asia/Jakarta\' as "{name}"'
        case _:
            return f'"{name}"'


async def read_rows(database: QueryExecutor, mart: PublishedMart, after: int, count: int) -> list[dict[str, object]]:
    """Up to `count` rows of a mart that come after a position."""
    names = ", ".join(_column(name, kind) for name, kind, _ in mart.columns)
    statement = f'select {names} from marts."{mart.name}" where position > $1 order by position limit $2'  # noqa: S608
    return [dict(record) for record in await database.fetch(statement, after, count)]


_PUBLICATION: Final = "select publication from published_marts where name = $1"


async def read_publication(database: QueryExecutor, name: str) -> UUID | None:
    """Which publication of a mart is there now."""
    record = await database.fetchrow(_PUBLICATION, name)
    return None if record is None else cast("UUID", record["publication"])
