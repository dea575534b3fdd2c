"""SQL about users: their orders in groups, and what their newest orders used."""

from datetime import datetime
from typing import Final, NamedTuple

from order_platform.postgres.sql_builder import QueryExecutor


class UserGroup(NamedTuple):
    """A user's orders that have outcome and currency in common."""

    outcome: str
    currency: str
    orders: int
    amount: int
    first: datetime
    last: datetime


class Usage(NamedTuple):
    """Orders with a payment method from a device."""

    payment_method: str
    device_id: str | None
    orders: int


# Of all orders only what index orders_by_user holds: 40 ms for 100,000 of them.
USER_GROUPS: Final = """
    select outcome, currency, count(*), sum(amount), min(created_date), max(created_date)
    from orders
    where user_id = $1
    group by outcome, currency
"""
_USER_USAGES: Final = """
    select payment_method, device_id, count(*)
    from (
        select payment_method, device_id
        from orders
        where user_id = $1
        order by created_date desc, order_id desc
        limit 1000
    ) as newest
    group by payment_method, device_id
"""


async def read_user_groups(database: QueryExecutor, user_id: str) -> list[UserGroup]:
    """All of a user's orders, counted and added up; nothing when there are none."""
    groups = [UserGroup(*record) for record in await database.fetch(USER_GROUPS, user_id)]
    return [group._replace(amount=int(group.amount)) for group in groups]


async def read_user_usages(database: QueryExecutor, user_id: str) -> list[Usage]:
    """What the user's newest 1,000 orders were paid with and placed from."""
    return [Usage(*record) for record in await database.fetch(_USER_USAGES, user_id)]
