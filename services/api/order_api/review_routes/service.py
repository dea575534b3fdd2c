"""Reading and replacing the routes of the review queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.auth.repository import find_key_name
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.review_routes.filters import ReviewRoute
from order_api.review_routes.repository import list_routes, replace_routes
from order_contract.advisory_locks import AdvisoryLock

_LOCK: Final = f"select pg_advisory_xact_lock({AdvisoryLock.REVIEW_ROUTES:d})"


@dataclass(frozen=True, slots=True)
class ReviewRouteService:
    """Routes, on the connections for listings; changes wait for each other."""

    listings: FairPool

    async def all(self, request: Request) -> list[dict[str, Any]]:
        """The routes in force, with the fields of ReviewRoute, in the sequence in which they are tried."""
        return await self.listings.run(request, principal_of(request).key_id, list_routes)

    async def replace(self, request: Request, routes: Sequence[ReviewRoute]) -> list[dict[str, Any]]:
        """Replace all routes, recorded in the audit log; returns those in force now. Open reviews stay where they are.

        Without any the default route is in force.
        """
        key_id = principal_of(request).key_id

        async def replace(database: Database) -> list[dict[str, Any]]:
            author = await find_key_name(database, key_id)
            async with database.connection() as connection, connection.transaction():
                await connection.fetch(_LOCK)
                return await replace_routes(connection, routes, author)

        return await self.listings.run(request, key_id, replace)


Routes = Annotated[ReviewRouteService, Depends(Provider(ReviewRouteService))]
