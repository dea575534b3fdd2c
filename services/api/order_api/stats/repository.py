"""SQL about statistics: groups of orders, the users flagged most often, messages of the stream by outcome."""

from datetime import datetime
from typing import Final, NamedTuple

from order_platform.postgres.sql_builder import QueryExecutor


class OrderGroup(NamedTuple):
    """Orders of a window that have outcome, currency and hits in common."""

    outcome: str
    currency: str
    rule_ids: list[str] | None
    orders: int
    amount: int


class UserFlags(NamedTuple):
    """How often a user was flagged in a window."""

    user_id: str
    flagged: int


# One pass over the window; whatever is asked about it is added up from these few groups.
_GROUPS: Final = """
    select outcome, currency, rule_ids, count(*) as orders, sum(amount) as amount
    from orders
    where created_date >= $1 and created_date < $2
    group by outcome, currency, rule_ids
"""
_FLAGGED_USERS: Final = """
    select user_id, count(*) as flagged
    from orders
    where outcome <> 'approve' and created_date >= $1 and created_date < $2
    group by user_id
    order by flagged desc, user_id
    limit $3
"""
_STREAM_OUTCOMES: Final = """
    select outcome, count(*) as messages from stream_outcomes where topic <> $1 group by outcome
"""


async def count_groups(database: QueryExecutor, start: datetime, end: datetime) -> list[OrderGroup]:
    """The orders created from `start` until before `end`, counted and added up."""
    records = await database.fetch(_GROUPS, start, end)
    return [OrderGroup(*record)._replace(amount=int(record["amount"])) for record in records]


async def find_flagged_users(database: QueryExecutor, start: datetime, end: datetime, count: int) -> list[UserFlags]:
    """The users flagged most often in the window."""
    return [UserFlags(*record) for record in await database.fetch(_FLAGGED_USERS, start, end, count)]


async def count_stream_outcomes(database: QueryExecutor, labels_topic: str) -> dict[str, int]:
    """Messages that became no order, by outcome; without those of topic labels."""
    return {record["outcome"]: record["messages"] for record in await database.fetch(_STREAM_OUTCOMES, labels_topic)}
