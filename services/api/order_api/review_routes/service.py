"""The routes of the review queue, and which queue open reviews are in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.http.problems.reviews import ReviewRouteUnknown
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.review_routes.edits import Edit
from order_api.review_routes.filters import ReviewRoute
from order_api.review_routes.repository import count_open_reviews, list_routes, move_reviews, replace_routes
from order_contract.advisory_locks import AdvisoryLock
from order_platform.postgres.sql_builder import QueryExecutor

Result = TypeVar("Result")

_LOCK: Final = f"select pg_advisory_xact_lock({AdvisoryLock.REVIEW_ROUTES:d})"


@dataclass(frozen=True, slots=True)
class ReviewRouteService:
    """Routes, on the connections for listings; changes wait for each other."""

    listings: FairPool

    async def all(self, request: Request) -> list[dict[str, Any]]:
        """The routes in force, with the fields of ReviewRoute, in the sequence in which they are tried."""
        return await self.listings.run(request, principal_of(request).key_id, list_routes)

    async def open_reviews(self, request: Request) -> dict[str, int]:
        """How many reviews are open, by the name of their queue; also of queues that no route leads to."""
        return await self.listings.run(request, principal_of(request).key_id, count_open_reviews)

    async def replace(self, request: Request, routes: Sequence[ReviewRoute]) -> list[dict[str, Any]]:
        """Replace all routes, recorded in the audit log; returns those in force now. Open reviews stay where they are.

        Without any the default route is in force.
        """
        return await self.edit(request, lambda _: routes)

    async def edit(self, request: Request, edit: Edit) -> list[dict[str, Any]]:
        """Change the routes as they are now, as `replace` does; two people's changes of different routes both count.

        Raises what `edit` raises.
        """

        async def change(connection: QueryExecutor, author: str) -> list[dict[str, Any]]:
            routes = [ReviewRoute(**route) for route in await list_routes(connection)]
            return await replace_routes(connection, edit(routes), author)

        return await self._change(request, change)

    async def move(self, request: Request, from_queue: str, to_queue: str) -> tuple[int, int]:
        """Move up to 5,000 open reviews to the queue of a route, recorded in the audit log.

        Returns how many were moved, and how many are left. Their due times stay. Raises ReviewRouteUnknown.
        """

        async def move(connection: QueryExecutor, author: str) -> tuple[int, int]:
            if all(route["name"] != to_queue for route in await list_routes(connection)):
                raise ReviewRouteUnknown(to_queue)
            return await move_reviews(connection, from_queue, to_queue, author)

        return await self._change(request, move)

    async def _change(self, request: Request, change: Callable[[QueryExecutor, str], Awaitable[Result]]) -> Result:
        """Carry out a change in a transaction, after those that are under way; `change` gets the author's name, too."""
        principal = principal_of(request)

        async def carry_out(database: Database) -> Result:
            async with database.connection() as connection, connection.transaction():
                await connection.fetch(_LOCK)
                return await change(connection, principal.author)

        return await self.listings.run(request, principal.key_id, carry_out)


Routes = Annotated[ReviewRouteService, Depends(Provider(ReviewRouteService))]
