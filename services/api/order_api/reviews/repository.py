"""SQL of reviews: pages with their orders and labels."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor

_COLUMNS: Final = """
    review.order_id, rules, review.ruleset_version, opened_at, opened_by, review.reason, newest.label, closed_at, queue,
    stage, due_at, user_id, product_id, quantity, orders.amount, orders.currency, payment_method, country, created_date,
    outcome, orders.risk_score
"""
# The first label after the review closes it; the newest one is what the order turned out to be.
_TABLES: Final = """
    reviews as review
    left join orders using (order_id)
    left join lateral (
        select label from labels where labels.order_id = review.order_id
        order by epoch desc, "offset" desc, partition desc limit 1
    ) as newest on true
"""


async def list_reviews(
    database: QueryExecutor, criteria: dict[str, Any], before: tuple[datetime, str] | None, most: int
) -> Sequence[asyncpg.Record]:
    """The newest reviews that meet the criteria of ReviewParameters, before a place."""
    arguments = QueryArguments()
    conditions = ["true"]
    for name, condition in (
        ("rule", "{} = any(rules)"),
        ("ruleset_version", "review.ruleset_version = {}"),
        ("user_id", "user_id = {}"),
        ("opened_by", "opened_by = {}"),
        ("opened_from", "opened_at >= {}"),
        ("opened_to", "opened_at < {}"),
    ):
        if criteria[name] is not None:
            conditions.append(condition.format(arguments.add(criteria[name])))
    if criteria["state"] is not None:
        conditions.append(f"(closed_at is null) = {arguments.add(criteria['state'] == 'open')}")
    if before is not None:
        opened_at, order_id = map(arguments.add, before)
        conditions.append(f"(opened_at, review.order_id) < ({opened_at}, {order_id})")
    query = f"""
        select {_COLUMNS} from {_TABLES} where {" and ".join(conditions)}
        order by opened_at desc, review.order_id desc limit {arguments.add(most)}
    """  # noqa: S608
    return await database.fetch(query, *arguments.values)
