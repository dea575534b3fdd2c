"""`/v1/orders` and `/v1/flags`."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.convertors import Convertor, register_url_convertor

from order_api import queries
from order_api.authentication import READER
from order_api.openapi import responses
from order_api.orders.criteria import Position
from order_api.orders.cursor import read_cursor, write_cursor
from order_api.orders.filters import FlagParameters, LookupParameters, OrderParameters, PageParameters
from order_api.orders.model import OrderDetails, OrderPage
from order_api.orders.stored import DeadLetter, order_details, order_summary
from order_api.parameters import Identifier, refuse_repeated
from order_api.problems import OrderDeadLettered, OrderUnknown
from order_api.responses import json_response
from order_api.services import AllServices, Services


class OrderIdConvertor(Convertor[str]):
    """The rest of the path, as it is: order ids like `INV/2026/0001` are common, and any character may be in one.

    So a route below an order's path has to be declared before the order's own.
    """

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("order_id", OrderIdConvertor())

router = APIRouter(prefix="/v1", tags=["orders"], dependencies=[READER])

PAGE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"Link": {"description": "the next page, with rel=next", "schema": {"type": "string"}}}},
    **responses(401, 403, 404, 422, 503),
}
OrderId = Annotated[Identifier, Path(description="as published; slashes may stand as they are")]


@router.get(
    "/orders/{order_id:order_id}",
    operation_id="get_order",
    response_model=OrderDetails,
    responses=responses(401, 403, 404, 422, 503),
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
        recorded = await services.waiting.recorded(order_id, parameters.wait, lambda: _disconnected(request))
    if recorded is None:
        recorded = await queries.recorded(services.database, order_id)
    if recorded is None:
        raise OrderUnknown((await services.lag.read()).total)
    if isinstance(recorded, DeadLetter):
        raise OrderDeadLettered(recorded)
    return json_response(order_details(recorded, services.settings.orders_topic))


@router.get(
    "/orders",
    operation_id="list_orders",
    response_model=OrderPage,
    responses=PAGE_RESPONSES,
)
async def list_orders(
    request: Request, services: AllServices, parameters: Annotated[OrderParameters, Query()]
) -> Response:
    """Orders with their decisions, newest first."""
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
    """Flagged orders, those whose outcome is not `approve`, with the reasons, newest first."""
    return await _page(request, services, parameters)


async def _page(request: Request, services: Services, parameters: PageParameters) -> Response:
    refuse_repeated(request)
    criteria = parameters.criteria()
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, criteria)
    # One more than asked for tells whether there is a next page.
    orders = await queries.page(services.database, criteria, after, parameters.limit + 1)
    items, rest = orders[: parameters.limit], orders[parameters.limit :]
    cursor, headers = None, {}
    if rest:
        last = items[-1].row
        cursor = write_cursor(Position(last.created_date, last.order_id), criteria)
        headers["Link"] = f'<{_next_page(request, cursor)}>; rel="next"'
    topic = services.settings.orders_topic
    return json_response({"items": [order_summary(order, topic) for order in items], "next": cursor}, headers=headers)


def _next_page(request: Request, cursor: str) -> str:
    """The same path and parameters with another cursor; encoded, so nothing in them can end the header."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"


async def _disconnected(request: Request) -> None:
    """Returns when the caller has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
