"""SQL about the published marts."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, NamedTuple, cast
from uuid import UUID

from order_platform.postgres.sql_builder import QueryExecutor


class PublishedColumn(NamedTuple):
    """A column with its type in Postgres; `is_filter` where an index answers which rows have a value."""

    name: str
    type: str
    description: str
    is_filter: bool


class PublishedMart(NamedTuple):
    """A mart in schema `marts`."""

    name: str
    description: str
    rows: int
    complete: bool
    publication: UUID
    published_at: datetime
    data_up_to: date | None
    columns: list[PublishedColumn]

    @property
    def filters(self) -> list[str]:
        """The columns that its rows can be looked up by."""
        return [column.name for column in self.columns if column.is_filter]


_MARTS: Final = """
    select m.name, m.description, m.rows, m.complete, m.publication, m.published_at,
        (select max(partition_start) from published_partitions where table_name = 'orders') as data_up_to,
        array_agg(array[a.attname::text, format_type(a.atttypid, null), coalesce(col_description(c.oid, a.attnum), ''),
            case when exists (
                select from pg_index as i where i.indrelid = c.oid and i.indkey[0] = a.attnum and i.indisvalid
            ) and a.atttypid = 'text'::regtype then 'filter' end] order by a.attnum) as columns
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
        PublishedMart(*record)._replace(
            columns=[
                PublishedColumn(name, kind, description, use == "filter")
                for name, kind, description, use in record["columns"]
            ]
        )
        for record in records
    ]


def _expression(column: PublishedColumn, *, integers_as_text: bool) -> str:
    """A column, as it is sent."""
    match column.type:
        case "numeric":  # JSON has no numbers of other kinds
            return f'"{column.name}"::float8 as "{column.name}"'
        case "timestamp without time zone":  # business time
            return f'"{column.name}" at time zone \'Asia/Jakarta\' as "{column.name}"'
        case "bigint" | "integer" | "smallint" if integers_as_text:
            return f'"{column.name}"::text as "{column.name}"'
        case _:
            return f'"{column.name}"'


async def read_rows(
    database: QueryExecutor,
    mart: PublishedMart,
    filters: Mapping[str, str],
    after: int,
    count: int,
    *,
    integers_as_text: bool = False,
) -> list[tuple[int, dict[str, object]]]:
    """Up to `count` rows of a mart, each with its position, after a position; `filters` are some of the mart's own."""
    expressions = ", ".join(_expression(column, integers_as_text=integers_as_text) for column in mart.columns)
    conditions = "".join(f' and "{name}" = ${number}' for number, name in enumerate(filters, 3))
    statement = (
        f'select position, {expressions} from marts."{mart.name}" where position > $1{conditions} '  # noqa: S608
        "order by position limit $2"
    )
    records = map(dict, await database.fetch(statement, after, count, *filters.values()))
    return [(record.pop("position"), record) for record in records]


class BatchDate(NamedTuple):
    """A business date with orders, and how many of them the marts are made from; None while it is not published."""

    business_date: date
    published_orders: int | None


_BATCH_DATES: Final = """
    select day::date as business_date, published.rows as published_orders
    from generate_series($1::date, $2::date, interval '1 day') as day
        left join published_partitions as published
            on published.table_name = 'orders' and published.partition_start = day::date
    where published.rows > 0 or exists (
        select from orders
        where created_date >= day::timestamp at time zone 'Asia/Jakarta'
            and created_date < (day::timestamp + interval '1 day') at time zone 'Asia/Jakarta'
    )
    order by day desc
"""


async def read_batch_dates(database: QueryExecutor, first: date, last: date) -> list[BatchDate]:
    """The business dates from `first` to `last` that have orders, newest first."""
    return [BatchDate(*record) for record in await database.fetch(_BATCH_DATES, first, last)]


_PUBLICATION: Final = "select publication from published_marts where name = $1"


async def read_publication(database: QueryExecutor, name: str) -> UUID | None:
    """Which publication of a mart is there now."""
    record = await database.fetchrow(_PUBLICATION, name)
    return None if record is None else cast("UUID", record["publication"])
