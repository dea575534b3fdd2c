"""`/v1/stats`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import principal_of, reader
from order_api.auth.keys import Scope
from order_api.http.problems.openapi import responses
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.stats.filters import WindowParameters, reject_empty_window
from order_api.stats.schemas import Stats
from order_api.stats.service import Statistics

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["stats"], dependencies=[reader(Scope.STATS)])


@router.get("/stats", operation_id="get_stats", responses=responses(401, 403, 422, 429, 503))
async def get_stats(
    request: Request, response: Response, statistics: Statistics, window: Annotated[WindowParameters, Query()]
) -> Stats:
    """Orders of a time window by outcome, status and rule, their amounts, and how the stream is doing.

    The window is about when orders were placed; `stream` is about now.
    """
    reject_repeated(request)
    reject_empty_window(window)
    response.headers["Cache-Control"] = "no-store"
    return await statistics.compute(request, principal_of(request).key_id, window)
