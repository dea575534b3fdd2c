"""`/v1/reviews/routes` and `/v1/reviews/move`."""

from fastapi import APIRouter, Request, Response

from order_api.auth.dependencies import administrator, reader
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.routing import CredentialsFirstRoute
from order_api.review_routes.filters import ReviewMove, ReviewRoutes
from order_api.review_routes.schemas import ActiveRoutes, MovedReviews
from order_api.review_routes.service import Routes

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["reviews"])


@router.get(
    "/reviews/routes",
    operation_id="list_review_routes",
    response_model=ActiveRoutes,
    responses=responses(401, 403, 429, 503),
    dependencies=[reader(Scope.ORDERS)],
)
async def list_review_routes(request: Request, routes: Routes) -> Response:
    """Which flagged orders enter the review queue: the first route that matches gives queue and due time."""
    return json_response({"routes": await routes.all(request)})


@router.put(
    "/reviews/routes",
    operation_id="replace_review_routes",
    response_model=ActiveRoutes,
    responses=responses(401, 403, 413, 415, 422, 429, 503),
    dependencies=[administrator(Scope.ORDERS)],
)
async def replace_review_routes(request: Request, routes: Routes, wanted: ReviewRoutes) -> Response:
    """Replace all routes. Flagged orders that no route matches get no review; open reviews stay in their queues.

    Default actions and second reviews of open ones follow the route of the queue's name. Without one there are none of
    either: move those reviews to another queue.
    """
    return json_response({"routes": await routes.replace(request, wanted.routes)})


@router.post(
    "/reviews/move",
    operation_id="move_reviews",
    response_model=MovedReviews,
    responses=responses(401, 403, 404, 413, 415, 422, 429, 503),
    dependencies=[administrator(Scope.ORDERS)],
)
async def move_reviews(request: Request, routes: Routes, wanted: ReviewMove) -> Response:
    """Move open reviews of a queue, such as one whose route was removed, to the queue of a route: 5,000 at once.

    Their due times and claims stay; default action and second review are those of the other queue's route.
    """
    moved, remaining = await routes.move(request, wanted.from_queue, wanted.to_queue)
    return json_response({"moved": moved, "remaining": remaining})
