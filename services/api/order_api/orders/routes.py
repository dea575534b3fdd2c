"""`/v1/orders` and `/v1/flags`."""

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import authentication_of, principal_of, reader
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.etag import CONDITIONAL, IF_NONE_MATCH, conditional_response
from order_api.kit.pagination import LINK_HEADER, link_headers
from order_api.kit.query_parameters import OrderId, reject_contradictions, reject_repeated
from order_api.kit.routing import DirectRoute
from order_api.orders.filters import FlagParameters, LookupParameters, OrderParameters, PageParameters
from order_api.orders.schemas import Order, OrderPage
from order_api.orders.service import Orders, OrderService

router = APIRouter(prefix="/v1", route_class=DirectRoute, tags=["orders"], dependencies=[reader(Scope.ORDERS)])

PAGE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)}


@router.get(
    "/orders/{order_id:identifier}",
    operation_id="get_order",
    response_model=Order,
    responses={**CONDITIONAL, **responses(401, 403, 404, 422, 429, 503)},
    openapi_extra=IF_NONE_MATCH,
)
async def get_order(
    request: Request, orders: Orders, order_id: OrderId, parameters: Annotated[LookupParameters, Query()]
) -> Response:
    """One order with its decision: outcome, risk score, and every rule that hit with its reason.

    With `wait` the response comes as soon as the decision is stored. An order that is not there may be unknown or not
    decided yet (404 `order-unknown-or-undecided`), or its message was bad data (404 `order-dead-lettered`).
    """
    reject_repeated(request)
    recorded = None
    if parameters.wait:
        recorded = await orders.wait(request, principal_of(request), order_id, parameters.wait)
        await authentication_of(request).require_still_permitted(request)
    principal = principal_of(request)
    if recorded is None:
        return conditional_response(request, await orders.find(principal, order_id))
    return conditional_response(request, orders.present(principal, recorded))


@router.get("/orders", operation_id="list_orders", response_model=OrderPage, responses=PAGE_RESPONSES)
async def list_orders(request: Request, orders: Orders, parameters: Annotated[OrderParameters, Query()]) -> Response:
    """Orders with their decisions, newest first.

    A page that is not full may have paused its search at `searched_to`: follow `next` until it is null.
    """
    return await _list_page(request, orders, parameters)


@router.get("/flags", operation_id="list_flags", response_model=OrderPage, responses=PAGE_RESPONSES)
async def list_flags(request: Request, orders: Orders, parameters: Annotated[FlagParameters, Query()]) -> Response:
    """Flagged orders, those whose outcome is not `approve`, newest first, in pages like those of `/v1/orders`."""
    return await _list_page(request, orders, parameters)


async def _list_page(request: Request, orders: OrderService, parameters: PageParameters) -> Response:
    reject_repeated(request)
    reject_contradictions(parameters)
    page = await orders.list_page(request, principal_of(request), parameters)
    return json_response(page, headers=link_headers(request, cast("str | None", page["next"])))
