"""SQL of the routes of the review queue."""

from collections.abc import Sequence
from typing import Any, Final

from order_api.review_routes.filters import ReviewRoute
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.sql_builder import QueryExecutor

_FIELDS: Final = tuple(ReviewRoute.model_fields)
_LIST: Final = f"select {', '.join(_FIELDS)} from active_review_routes order by position"  # noqa: S608  (our own names)
_CLEAR: Final = "delete from review_routes"
_INSERT: Final = f"""
    insert into review_routes (position, {", ".join(_FIELDS)})
    values ({", ".join(f"${number}" for number in range(1, len(_FIELDS) + 2))})
"""  # noqa: S608


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
