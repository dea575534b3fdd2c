"""Saving searches, listing and deleting them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from order_api.auth.dependencies import principal_of
from order_api.http.problems.resources import SavedSearchUnknown, TooManySavedSearches
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.saved_searches import repository
from order_api.saved_searches.repository import MOST_OF_A_KEY, SavedSearch


@dataclass(frozen=True, slots=True)
class SavedSearchService:
    """Saved searches of the request's key, on the connections for listings."""

    listings: FairPool

    async def all(self, request: Request) -> Sequence[SavedSearch]:
        """The person's own, by name, then those that others share; at most 500."""
        key_id = principal_of(request).key_id
        return await self.listings.run(request, key_id, lambda database: repository.list_searches(database, key_id))

    async def save(self, request: Request, name: str, query: str, *, shared: bool) -> SavedSearch:
        """Save a search, in place of the person's own of this name. Raises TooManySavedSearches."""
        key_id = principal_of(request).key_id
        saved = await self.listings.run(
            request,
            key_id,
            lambda database: repository.save_search(database, key_id, name, query, shared=shared),
        )
        if saved is None:
            raise TooManySavedSearches(MOST_OF_A_KEY)
        return saved

    async def delete(self, request: Request, name: str) -> None:
        """Delete one of the person's own. Raises SavedSearchUnknown."""
        key_id = principal_of(request).key_id
        if not await self.listings.run(
            request, key_id, lambda database: repository.delete_search(database, key_id, name)
        ):
            raise SavedSearchUnknown(name)


SavedSearches = Annotated[SavedSearchService, Depends(Provider(SavedSearchService))]
