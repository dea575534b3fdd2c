"""Pages of reviews, open and closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.reviews.repository import list_reviews
from order_platform.postgres.reviews import route_flagged_orders


@dataclass(frozen=True, slots=True)
class ReviewService:
    """Reviews on the connections for listings; the review queue is what works on them."""

    listings: FairPool

    async def page(
        self, request: Request, criteria: dict[str, Any], before: tuple[datetime, str] | None, most: int
    ) -> Sequence[asyncpg.Record]:
        """The newest reviews that meet the criteria, before a place."""

        async def read(database: Database) -> Sequence[asyncpg.Record]:
            await route_flagged_orders(database)
            return await list_reviews(database, criteria, before, most)

        return await self.listings.run(request, principal_of(request).key_id, read)


Reviews = Annotated[ReviewService, Depends(Provider(ReviewService))]
