"""`/v1/decide`."""

from fastapi import APIRouter, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.routing import CredentialsFirstRoute
from order_api.what_if.filters import Question
from order_api.what_if.schemas import WhatIfDecision
from order_api.what_if.service import WhatIfs

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["what-if"])


@router.post(
    "/decide",
    operation_id="decide_order",
    response_model=WhatIfDecision,
    responses=responses(401, 403, 404, 409, 413, 415, 422, 429, 503),
    dependencies=[reader(Scope.ORDERS)],
)
async def decide_order(request: Request, what_ifs: WhatIfs, question: Question) -> Response:
    """Decide an order, by the rules in force, a stored version or a draft. Nothing is stored.

    Its history is that of the stored orders up to its own time. What could not be computed is named.
    """
    return json_response(await what_ifs.decide(request, question))
