"""`/v1/orders` and `/v1/flags`."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from order_api.authentication import caller_of, reader, still_permitted
from order_api.conditional import CONDITIONAL, IF_NONE_MATCH, conditional_response
from order_api.contradictions import refuse_contradictions
from order_api.database import Database
from order_api.direct_route import DirectRoute
from order_api.disconnection import disconnected
from order_api.keys import Scope
from order_api.openapi import responses
from order_api.orders.cursor import read_cursor
from order_api.orders.filters import FlagParameters, LookupParameters, OrderParameters, PageParameters
from order_api.orders.model import Order, OrderPage
from order_api.orders.paging import Page, read_page
from order_api.orders.stored import DeadLetter, order_details
from order_api.parameters import refuse_repeated
from order_api.paths import OrderId
from order_api.personal_data import FILTERS, is_masked, mask_order, refuse_personal_filters
from order_api.problems.orders import OrderDeadLettered, OrderUnknown
from order_api.responses import json_response
from order_api.services import AllServices, Services

router = APIRouter(prefix="/v1", route_class=DirectRoute, tags=["orders"], dependencies=[reader(Scope.ORDERS)])

PAGE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"Link": {"description": "the next page, with rel=next", "schema": {"type": "string"}}}},
    **responses(401, 403, 404, 422, 429, 503),
}


@router.get(
    "/orders/{order_id:identifier}",
    operation_id="get_order",
    response_model=Order,
    responses={**CONDITIONAL, **responses(401, 403, 404, 422, 429, 503)},
    openapi_extra=IF_NONE_MATCH,
)
async def get_order(
    request: Request, services: AllServices, order_id: OrderId, parameters: Annotated[LookupParameters, Query()]
) -> Response:
    """One order with its decision: outcome, risk score, and every rule that hit with its reason.

    With `wait` the answer comes as soon as the decision is stored. An order that is not there may be unknown or not
    decided yet (404 `order-unknown-or-undecided`), or its message was bad data (404 `order-dead-lettered`).
    """
    refuse_repeated(request)
    recorded = None
    if parameters.wait:
        services.news.listen()
        recorded = await services.waiting.recorded(order_id, parameters.wait, lambda: disconnected(request))
        await still_permitted(request)
    if recorded is None:
        recorded = await services.lookups.recorded(order_id)
    if recorded is None:
        raise OrderUnknown((await services.lag.read()).total)
    if isinstance(recorded, DeadLetter):
        raise OrderDeadLettered(recorded, masked=is_masked(services.settings, caller_of(request)))
    details = order_details(recorded)
    if is_masked(services.settings, caller_of(request)):
        details = mask_order(details)
    return conditional_response(request, details)


@router.get(
    "/orders",
    operation_id="list_orders",
    response_model=OrderPage,
    responses=PAGE_RESPONSES,
)
async def list_orders(
    request: Request, services: AllServices, parameters: Annotated[OrderParameters, Query()]
) -> Response:
    """Orders with their decisions, newest first.

    A page that is not full may have paused its search at `searched_to`: follow `next` until it is null.
    """
    return await _page(request, services, parameters)


@router.get(
    "/flags",
    operation_id="list_flags",
    response_model=OrderPage,
    responses=PAGE_RESPONSES,
)
async def list_flags(
    request: Request, services: AllServices, parameters: Annotated[FlagParameters, Query()]
) -> Response:
    """Flagged orders, those whose outcome is not `approve`, newest first, in pages like those of `/v1/orders`."""
    return await _page(request, services, parameters)


async def _page(request: Request, services: Services, parameters: PageParameters) -> Response:
    refuse_repeated(request)
    refuse_contradictions(parameters)
    criteria = parameters.criteria()
    masked = is_masked(services.settings, caller_of(request))
    if masked:
        refuse_personal_filters(parameters.model_dump(include=set(FILTERS)))
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, criteria)

    async def read(database: Database) -> Page:
        await services.rules.refuse_unknown(database, parameters.rule)
        return await read_page(database, criteria, after, parameters.limit)

    page = await services.listings.run(request, caller_of(request), read)
    headers = {} if page.next is None else {"Link": f'<{_next_page(request, page.next)}>; rel="next"'}
    return json_response(page.members(masked=masked), headers=headers)


def _next_page(request: Request, cursor: str) -> str:
    """The same path and parameters with another cursor; encoded, so nothing in them can end the header."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
