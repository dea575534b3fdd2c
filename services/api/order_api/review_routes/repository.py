"""SQL of the routes of the review queue."""

from collections.abc import Sequence
from typing import Any, Final

from order_api.review_routes.filters import ReviewRoute
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.sql_builder import QueryExecutor

MOST_MOVED: Final = 5_000
"""Reviews that one request moves."""

_FIELDS: Final = tuple(ReviewRoute.model_fields)
_LIST: Final = f"select {', '.join(_FIELDS)} from active_review_routes order by position"  # noqa: S608  (our own names)
_CLEAR: Final = "delete from review_routes"
_INSERT: Final = f"""
    insert into review_routes (position, {", ".join(_FIELDS)})
    values ({", ".join(f"${number}" for number in range(1, len(_FIELDS) + 2))})
"""  # noqa: S608


# Skipping what is locked, so that this never waits for people who are working on the reviews, nor they for it.
_MOVE: Final = """
    update reviews set queue = $2
    where order_id in (
        select order_id from reviews where closed_at is null and queue = $1 and queue <> $2
        order by rank, due_at, order_id limit $3
        for update skip locked
    )
    returning order_id
"""
_COUNT_OPEN: Final = """
    select queue, count(*) as open from reviews where closed_at is null group by queue order by queue
"""
_COUNT_OPEN_OF: Final = "select count(*) from reviews where closed_at is null and queue = $1"


async def list_routes(database: QueryExecutor) -> list[dict[str, Any]]:
    """The routes in force, in the sequence in which they are tried."""
    return [dict(row) for row in await database.fetch(_LIST)]


async def replace_routes(connection: QueryExecutor, routes: Sequence[ReviewRoute], author: str) -> list[dict[str, Any]]:
    """Replace all routes, in the transaction of `connection`; returns those in force now."""
    before = await list_routes(connection)
    await connection.fetch(_CLEAR)
    for position, route in enumerate(routes, 1):
        await connection.fetch(_INSERT, position, *route.model_dump().values())
    after = await list_routes(connection)
    change = AuditRecord(
        author, "replace", SubjectKind.REVIEW_ROUTES, "all", before={"routes": before}, after={"routes": after}
    )
    await record_audit(connection, change)
    return after


async def count_open_reviews(database: QueryExecutor) -> dict[str, int]:
    """Open reviews by the name of their queue, also of queues whose route was removed."""
    return {row["queue"]: row["open"] for row in await database.fetch(_COUNT_OPEN)}


async def move_reviews(connection: QueryExecutor, from_queue: str, to_queue: str, author: str) -> tuple[int, int]:
    """Move open reviews to another queue, the most urgent first; returns how many were moved, and how many are left.

    In the transaction of `connection`, with an entry of the audit log when there were any.
    """
    moved = len(await connection.fetch(_MOVE, from_queue, to_queue, MOST_MOVED))
    if moved:
        change = {"queue": to_queue, "reviews": moved}
        record = AuditRecord(author, "move", SubjectKind.REVIEW_QUEUE, from_queue, None, {"queue": from_queue}, change)
        await record_audit(connection, record)
    row = await connection.fetchrow(_COUNT_OPEN_OF, from_queue)
    assert row is not None, "an aggregate has a row"
    return moved, int(row[0])
