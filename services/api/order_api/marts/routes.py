"""`/v1/marts`, `/v1/marts/{name}` and `/v1/batch-dates`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import principal_of, reader
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.pagination import LINK_HEADER, link_headers
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.marts.filters import MartName, MartParameters
from order_api.marts.schemas import BatchDateList, MartList, MartPage
from order_api.marts.service import Marts

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["marts"], dependencies=[reader(Scope.MARTS)])


@router.get("/marts", operation_id="list_marts", response_model=MartList, responses=responses(401, 403, 503))
async def list_marts(request: Request, marts: Marts) -> Response:
    """The marts that the batch side published, with their columns. Built each day, for orders up to yesterday."""
    return json_response({"items": await marts.list_marts(request, principal_of(request))})


@router.get(
    "/batch-dates", operation_id="list_batch_dates", response_model=BatchDateList, responses=responses(401, 403, 503)
)
async def list_batch_dates(request: Request, marts: Marts) -> Response:
    """The business dates of the last two weeks that have orders, and whether the marts hold them."""
    dates = await marts.list_dates(request, principal_of(request))
    return json_response({"items": [each._asdict() for each in dates]})


@router.get(
    "/marts/{name}",
    operation_id="get_mart",
    response_model=MartPage,
    responses={200: LINK_HEADER, **responses(401, 403, 404, 422, 503)},
)
async def get_mart(
    request: Request, marts: Marts, name: MartName, parameters: Annotated[MartParameters, Query()]
) -> Response:
    """A mart's rows, in its own order: the worst users first, the most frequent pairs first.

    Each of the mart's `filters` is a parameter: `?user_id=U-1042` leaves the rows of that user. A cursor holds until
    the mart is published again. Sums may be beyond 2^53: see parameter `integers`.
    """
    reject_repeated(request)
    page, cursor = await marts.read_page(request, principal_of(request), name, parameters)
    return json_response(page, headers=link_headers(request, cursor))
