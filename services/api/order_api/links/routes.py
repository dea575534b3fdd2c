"""`/v1/links`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.links.filters import LinkParameters
from order_api.links.graph import NodeKey
from order_api.links.schemas import Links
from order_api.links.service import LinkSearch

router = APIRouter(
    prefix="/v1", route_class=CredentialsFirstRoute, tags=["orders"], dependencies=[reader(Scope.ORDERS)]
)


@router.get(
    "/links",
    operation_id="find_links",
    response_model=Links,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def find_links(request: Request, links: LinkSearch, parameters: Annotated[LinkParameters, Query()]) -> Response:
    """Users who share devices, addresses and vouchers with an order or user, breadth first, newest first.

    At most 200 nodes and 50 links of a node; `is_cut` says which have more. Ask for those of a node by beginning there.
    """
    reject_repeated(request)
    start = NodeKey(parameters.kind, parameters.id)
    return json_response(await links.find(request, start, parameters.depth))
