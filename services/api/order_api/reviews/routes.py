"""`/v1/reviews`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.pagination import LINK_HEADER, cut_page, link_headers, read_cursor, write_time
from order_api.kit.query_parameters import reject_contradictions, reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.reviews.filters import ReviewParameters, parse_place
from order_api.reviews.schemas import ReviewPage, as_document
from order_api.reviews.service import Reviews

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["reviews"])


@router.get(
    "/reviews",
    operation_id="list_reviews",
    response_model=ReviewPage,
    responses={200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)},
    dependencies=[reader(Scope.ORDERS)],
)
async def list_reviews(
    request: Request, reviews: Reviews, parameters: Annotated[ReviewParameters, Query()]
) -> Response:
    """Orders that a person is to look at, and those that were looked at, newest first."""
    reject_repeated(request)
    reject_contradictions(parameters)
    criteria = parameters.criteria()
    before = None if parameters.cursor is None else read_cursor(parameters.cursor, criteria, parse_place)
    found = await reviews.page(request, criteria, before, parameters.limit + 1)
    items, cursor = cut_page(
        found, parameters.limit, criteria, lambda row: (write_time(row["opened_at"]), row["order_id"])
    )
    page = {"items": [as_document(row) for row in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))
