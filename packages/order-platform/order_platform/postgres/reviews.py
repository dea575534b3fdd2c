"""Reviews of orders, in table `reviews`: an order that a person is to look at, and why.

A review is open until a label of its order is stored after it: a trigger on table `labels` closes it. Decisions open
reviews by the routes of the queue (table `review_routes`), people others.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import asyncpg

from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.sql_builder import QueryExecutor

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MAX_REASON: Final = 500
_OPEN: Final = """
    insert into reviews (order_id, rules, ruleset_version, opened_by, reason, risk_score, amount, currency)
    select order_id, string_to_array(given.rules, ','), $3, $4, $5, coalesce(risk_score, 0), amount, currency
    from unnest($1::text[], $2::text[]) as given (order_id, rules)
    left join orders using (order_id)
    on conflict (order_id) do nothing returning order_id
"""
_ROUTE: Final = "select route_flagged_orders($1)"

ROUTED_AT_ONCE: Final = 2_000
"""Flagged orders that are routed by one statement."""


class NewReview(NamedTuple):
    """An order to review, and the ids of the rules that flag it."""

    order_id: str
    rules: Sequence[str]


async def open_reviews(
    connection: Connection, wanted: Sequence[NewReview], *, ruleset_version: str, author: str, reason: str
) -> int:
    """Open reviews, recorded in the audit log as one change; returns how many orders had none yet."""
    async with connection.transaction():
        opened = await connection.fetch(
            _OPEN,
            [each.order_id for each in wanted],
            [",".join(each.rules) for each in wanted],
            ruleset_version,
            author,
            reason,
        )
        if opened:
            change = {"reviews": len(opened), "first": opened[0]["order_id"]}
            await record_audit(
                connection, AuditRecord(author, "open", SubjectKind.REVIEW, ruleset_version, reason, None, change)
            )
    return len(opened)


async def route_flagged_orders(database: QueryExecutor, most: int = ROUTED_AT_ONCE) -> int:
    """Open the reviews of flagged orders that were stored since; returns how many orders were looked at.

    Several processes may do so at once: each order is looked at by one of them. A standby only reads: there it is left
    to processes of the primary.
    """
    try:
        row = await database.fetchrow(_ROUTE, most)
    except asyncpg.ReadOnlySQLTransactionError:
        return 0
    assert row is not None, "a function returns its value"
    return int(row[0])
