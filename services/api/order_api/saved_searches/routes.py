"""`/v1/saved-searches`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.saved_searches.filters import NamedSearch, SearchToSave
from order_api.saved_searches.schemas import KeptSearch, KeptSearches
from order_api.saved_searches.service import SavedSearches

router = APIRouter(
    prefix="/v1", route_class=CredentialsFirstRoute, tags=["saved searches"], dependencies=[reader(Scope.ORDERS)]
)


@router.get(
    "/saved-searches",
    operation_id="list_saved_searches",
    response_model=KeptSearches,
    responses=responses(401, 403, 429, 503),
)
async def list_saved_searches(request: Request, searches: SavedSearches) -> Response:
    """Your searches, by name, then those that others share."""
    return json_response({"items": [each._asdict() for each in await searches.all(request)]})


@router.put(
    "/saved-searches",
    operation_id="save_search",
    response_model=KeptSearch,
    responses=responses(401, 403, 409, 413, 415, 422, 429, 503),
)
async def save_search(request: Request, searches: SavedSearches, wanted: SearchToSave) -> Response:
    """Save a search under a name, in place of your own of that name; 100 at most."""
    saved = await searches.save(request, wanted.name, wanted.query, shared=wanted.shared)
    return json_response(saved._asdict())


@router.delete(
    "/saved-searches",
    operation_id="delete_saved_search",
    status_code=204,
    responses={204: {"description": "The search is deleted"}, **responses(401, 403, 404, 422, 429, 503)},
)
async def delete_saved_search(
    request: Request, searches: SavedSearches, wanted: Annotated[NamedSearch, Query()]
) -> Response:
    """Delete one of your searches."""
    reject_repeated(request)
    await searches.delete(request, wanted.name)
    return Response(status_code=204)
