"""`/v1/orders/{order_id}/explanation` and `/v1/orders/{order_id}/message`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.explanations.filters import MessageParameters
from order_api.explanations.schemas import Explanation, OrderMessage
from order_api.explanations.service import Explanations, message_document
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.query_parameters import OrderId, reject_repeated
from order_api.kit.routing import CredentialsFirstRoute

router = APIRouter(
    prefix="/v1", route_class=CredentialsFirstRoute, tags=["orders"], dependencies=[reader(Scope.ORDERS)]
)


@router.get(
    "/orders/{order_id:identifier}/explanation",
    operation_id="explain_order",
    response_model=Explanation,
    responses=responses(401, 403, 404, 409, 422, 429, 503),
)
async def explain_order(request: Request, explanations: Explanations, order_id: OrderId) -> Response:
    """What each rule of the ruleset that decided the order saw, whether it fired, and what would have changed it.

    The order is decided again with the features that are stored; `agrees` says whether that gives the stored decision.
    """
    reject_repeated(request)
    return json_response(await explanations.explain(request, order_id))


@router.get(
    "/orders/{order_id:identifier}/message",
    operation_id="get_order_message",
    response_model=OrderMessage,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def get_order_message(
    request: Request, explanations: Explanations, order_id: OrderId, parameters: Annotated[MessageParameters, Query()]
) -> Response:
    """The message that the order was made of, from its topic, with its first 65,536 bytes; `whole` for all.

    `missing` says why it is not there any more, such as retention.
    """
    reject_repeated(request)
    row, message = await explanations.find_message(request, order_id)
    return json_response(message_document(row, message, whole=parameters.whole))
