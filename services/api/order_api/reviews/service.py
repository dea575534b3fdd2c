"""Reviews: pages of them, and closing one by a label."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.http.problems.resources import ReviewClosed, ReviewUnknown
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.labels.filters import NewLabel
from order_api.labels.service import LabelService
from order_api.reviews.repository import find_review, list_reviews


@dataclass(frozen=True, slots=True)
class ReviewService:
    """Reviews on the connections for listings; labels go the way of all labels."""

    listings: FairPool
    labels: LabelService

    async def page(
        self, request: Request, criteria: dict[str, Any], before: tuple[datetime, str] | None, most: int
    ) -> Sequence[asyncpg.Record]:
        """The newest reviews that meet the criteria, before a place."""
        return await self.listings.run(
            request, principal_of(request).key_id, lambda database: list_reviews(database, criteria, before, most)
        )

    async def close(self, request: Request, order_id: str, wanted: NewLabel) -> dict[str, object]:
        """Publish the label that closes the review. Raises ReviewUnknown, ReviewClosed, BrokerUnavailable."""
        key_id = principal_of(request).key_id
        found = await self.listings.run(request, key_id, lambda database: find_review(database, order_id))
        if found is None:
            raise ReviewUnknown
        if found["closed_at"] is not None:
            raise ReviewClosed(found["label"])
        return await self.labels.publish(order_id, wanted, key_id)


Reviews = Annotated[ReviewService, Depends(Provider(ReviewService))]
