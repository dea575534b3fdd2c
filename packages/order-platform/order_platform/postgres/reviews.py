"""Reviews of orders, in table `reviews`: an order that a person is to look at, and why.

A review is open until its order has a label that is newer than the review.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import asyncpg

from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MAX_REASON: Final = 500
_OPEN: Final = """
    insert into reviews (order_id, rules, ruleset_version, opened_by, reason)
    select order_id, string_to_array(rules, ','), $3, $4, $5
    from unnest($1::text[], $2::text[]) as given (order_id, rules)
    on conflict (order_id) do nothing returning order_id
"""


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
