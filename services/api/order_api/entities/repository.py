"""SQL about entities: their newest orders in groups, and what these orders share."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from order_api.entities.filters import FIELDS, EntityKind
from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor

COUNTED_ORDERS: Final = 10_000
"""Of the newest orders of an entity, those that are counted."""
SEARCHED_ORDERS: Final = 100_000
"""Of the newest orders of all, those in which a voucher or product is looked for: neither has an index."""
MOST_SHARED: Final = 20

_EDGE: Final = "select created_date from orders order by created_date desc, order_id desc offset $1 limit 1"
_GROUPS: Final = """
    with counted as materialized ({counted})
    select (created_date at time zone 'Asia/Jakarta')::date as day, outcome, currency, newest.label,
        count(*) as orders, sum(amount) as amount, min(created_date) as first, max(created_date) as last
    from counted left join lateral (
        select label from labels where labels.order_id = counted.order_id
        order by epoch desc, "offset" desc, partition desc limit 1
    ) as newest on true
    group by 1, 2, 3, 4
"""
_SHARED: Final = """
    with counted as materialized ({counted}),
    used as (
        select kind, id, count(*) as orders, count(*) filter (where outcome <> 'approve') as flagged,
            max(created_date) as last
        from counted cross join lateral (values {columns}) as value (kind, id)
        where id is not null
        group by kind, id
    ),
    ranked as (
        select *, row_number() over (partition by kind order by orders desc, last desc, id) as place,
            count(*) over (partition by kind) as ids
        from used
    )
    select kind, id, orders, flagged, last, ids from ranked where place <= {most:d} order by kind, place
"""


class OrderGroup(NamedTuple):
    """Counted orders of a business date that have outcome, currency and newest label in common."""

    day: date
    outcome: str
    currency: str
    label: str | None
    orders: int
    amount: int
    first: datetime
    last: datetime


class SharedValue(NamedTuple):
    """A value of another field on the counted orders; `ids` is how many there are of its kind."""

    kind: str
    id: str
    orders: int
    flagged: int
    last: datetime
    ids: int


async def find_search_edge(database: QueryExecutor, kind: EntityKind) -> datetime | None:
    """From when on orders of a kind without an index are looked for; None for all orders."""
    if kind not in {EntityKind.VOUCHER, EntityKind.PRODUCT}:
        return None
    row = await database.fetchrow(_EDGE, SEARCHED_ORDERS - 1)
    return None if row is None else row[0]


async def read_groups(
    database: QueryExecutor, kind: EntityKind, value: str, since: datetime | None
) -> Sequence[OrderGroup]:
    """The newest orders of an entity in groups; nothing when there are none."""
    arguments = QueryArguments()
    counted = _counted(arguments, kind, value, since)
    rows = await database.fetch(_GROUPS.format(counted=counted), *arguments.values)
    return [OrderGroup(*row)._replace(amount=int(row["amount"])) for row in rows]


async def read_shared(
    database: QueryExecutor, kind: EntityKind, value: str, since: datetime | None
) -> Sequence[SharedValue]:
    """The most frequent values of the other kinds on the newest orders of an entity, by kind."""
    arguments = QueryArguments()
    counted = _counted(arguments, kind, value, since)
    columns = ", ".join(f"('{other}', {field})" for other, field in FIELDS.items() if other is not kind)
    statement = _SHARED.format(counted=counted, columns=columns, most=MOST_SHARED)
    return [SharedValue(*row) for row in await database.fetch(statement, *arguments.values)]


def _counted(arguments: QueryArguments, kind: EntityKind, value: Any, since: datetime | None) -> str:
    """The statement for the newest orders of an entity."""
    conditions = [f"{FIELDS[kind]} = {arguments.add(value)}"]
    if since is not None:
        conditions.append(f"created_date >= {arguments.add(since)}")
    columns = ", ".join(("order_id", "outcome", "currency", "amount", "created_date", *FIELDS.values()))
    return f"""
        select {columns} from orders where {" and ".join(conditions)}
        order by created_date desc, order_id desc limit {COUNTED_ORDERS:d}
    """  # noqa: S608  (our own column names)
