"""`/v1/entities/{kind}`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.entities.filters import EntityParameters, Kind
from order_api.entities.schemas import Entity
from order_api.entities.service import Entities
from order_api.http.problems.openapi import responses
from order_api.kit.etag import CONDITIONAL, IF_NONE_MATCH, conditional_response
from order_api.kit.query_parameters import reject_repeated
from order_api.kit.routing import CredentialsFirstRoute

router = APIRouter(
    prefix="/v1", route_class=CredentialsFirstRoute, tags=["orders"], dependencies=[reader(Scope.ORDERS)]
)


@router.get(
    "/entities/{kind}",
    operation_id="get_entity",
    response_model=Entity,
    responses={**CONDITIONAL, **responses(401, 403, 404, 422, 429, 503)},
    openapi_extra=IF_NONE_MATCH,
)
async def get_entity(
    request: Request, entities: Entities, kind: Kind, parameters: Annotated[EntityParameters, Query()]
) -> Response:
    """A user, device, address, voucher or product as its newest orders show it, and the lists that hold it.

    The newest 10,000 orders are counted. Vouchers and products are looked for among the newest 100,000 orders of all;
    `counted_from` is the start of the range that is counted.
    """
    reject_repeated(request)
    return conditional_response(request, await entities.find(request, kind, parameters.id))
