"""SQL of links: what the newest orders of users share, and which users the newest orders with a value have."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from order_api.entities.filters import FIELDS, EntityKind
from order_api.links.filters import LinkKind
from order_api.links.graph import MOST_LINKS, Link, NodeKey
from order_platform.postgres.sql_builder import QueryExecutor

NEWEST_ORDERS: Final = 500
"""Of a node, those that are looked at."""

_VALUES: Final = ", ".join(
    f"('{kind}', {FIELDS[EntityKind(kind)]})" for kind in (LinkKind.DEVICE, LinkKind.ADDRESS, LinkKind.VOUCHER)
)
_NEWEST: Final = f"order by created_date desc, order_id desc limit {NEWEST_ORDERS:d}"
_COUNTS: Final = (
    "count(*) as orders, count(*) filter (where outcome <> 'approve') as flagged, max(created_date) as last"
)
# One more than is shown says that there are more.
_OF_USERS: Final = f"""
    select wanted.id as start, found.kind, found.id, orders, flagged, last
    from unnest($1::text[]) with ordinality as wanted (id, place) cross join lateral (
        select value.kind, value.id, {_COUNTS}
        from (
            select outcome, created_date, device_id, ip_address, voucher_code from orders
            where user_id = wanted.id {_NEWEST}
        ) as newest cross join lateral (values {_VALUES}) as value (kind, id)
        where value.id is not null
        group by value.kind, value.id
        order by last desc, value.kind, value.id limit {MOST_LINKS + 1:d}
    ) as found
    order by wanted.place, last desc, found.kind, found.id
"""  # noqa: S608  (our own names)
_OF_VALUES: Final = f"""
    select wanted.id as start, 'user' as kind, found.id, orders, flagged, last
    from unnest($1::text[]) with ordinality as wanted (id, place) cross join lateral (
        select user_id as id, {_COUNTS}
        from (
            select outcome, created_date, user_id from orders
            where {{field}} = wanted.id {{since}} {_NEWEST}
        ) as newest
        group by user_id
        order by last desc, user_id limit {MOST_LINKS + 1:d}
    ) as found
    order by wanted.place, last desc, found.id
"""  # noqa: S608


async def read_links(
    database: QueryExecutor, kind: LinkKind, ids: Sequence[str], since: datetime | None
) -> Sequence[Link]:
    """The links of nodes of one kind by their newest orders, newest first for each node.

    `since` is the start of the searched range; None for all orders.
    """
    if kind is LinkKind.USER:
        rows = await database.fetch(_OF_USERS, list(ids))
    else:
        condition = "" if since is None else "and created_date >= $2"
        statement = _OF_VALUES.format(field=FIELDS[EntityKind(kind)], since=condition)
        rows = await database.fetch(statement, list(ids), *([] if since is None else [since]))
    return [
        Link(
            NodeKey(kind, row["start"]),
            NodeKey(LinkKind(row["kind"]), row["id"]),
            row["orders"],
            row["flagged"],
            row["last"],
        )
        for row in rows
    ]
