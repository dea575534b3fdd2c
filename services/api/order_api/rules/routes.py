"""`/v1/rules`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.http.problems.openapi import responses
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.rules.filters import PerformanceParameters, RangeParameters
from order_api.rules.schemas import OperatingPoints, Overlaps, Performance
from order_api.rules.service import Rules

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["rules"], dependencies=[reader(Scope.STATS)])


@router.get("/rules/performance", operation_id="get_rule_performance", responses=responses(401, 403, 422, 429, 503))
async def get_performance(
    request: Request, response: Response, rules: Rules, parameters: Annotated[PerformanceParameters, Query()]
) -> Performance:
    """How well each rule has worked, by the labels of its hits: per version, mode and, if asked for, period.

    An order's newest label counts. A period is not mature until its labels are due.
    """
    reject_repeated(request)
    response.headers["Cache-Control"] = "no-store"
    return await rules.performance(request, parameters)


@router.get("/rules/overlaps", operation_id="get_rule_overlaps", responses=responses(401, 403, 422, 429, 503))
async def get_overlaps(
    request: Request, response: Response, rules: Rules, parameters: Annotated[RangeParameters, Query()]
) -> Overlaps:
    """Which rules fire on the same orders: one whose hits all belong to another adds nothing. All modes count."""
    reject_repeated(request)
    response.headers["Cache-Control"] = "no-store"
    return await rules.overlaps(request, parameters)


@router.get(
    "/rules/operating-points", operation_id="get_operating_points", responses=responses(401, 403, 422, 429, 503)
)
async def get_operating_points(
    request: Request, response: Response, rules: Rules, parameters: Annotated[RangeParameters, Query()]
) -> OperatingPoints:
    """Orders by risk score and label, and what each threshold means: orders a day, precision, recall and money.

    Labels are mostly on orders that were flagged: below the present threshold few are known.
    """
    reject_repeated(request)
    response.headers["Cache-Control"] = "no-store"
    return await rules.operating_points(request, parameters)
