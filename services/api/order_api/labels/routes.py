"""`/v1/orders/{order_id}/labels`."""

from fastapi import APIRouter, Request, Response

from order_api.auth.dependencies import principal_of, reader, reviewer
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.query_parameters import OrderId
from order_api.kit.routing import CredentialsFirstRoute
from order_api.labels.filters import NewLabel
from order_api.labels.schemas import LabelHistory, PublishedLabel
from order_api.labels.service import Labels

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["labels"])

_PATH = "/orders/{order_id:identifier}/labels"


@router.get(
    _PATH,
    operation_id="list_labels",
    response_model=LabelHistory,
    responses=responses(401, 403, 422, 429, 503),
    dependencies=[reader(Scope.ORDERS)],
)
async def list_labels(labels: Labels, order_id: OrderId) -> Response:
    """The labels of an order, newest first, from when they are stored. An unknown order has none."""
    return json_response(await labels.history(order_id))


@router.post(
    _PATH,
    operation_id="add_label",
    status_code=202,
    response_model=PublishedLabel,
    responses=responses(401, 403, 413, 415, 422, 429, 503),
    dependencies=[reviewer(Scope.ORDERS)],
)
async def add_label(request: Request, labels: Labels, order_id: OrderId, wanted: NewLabel) -> Response:
    """Publish a verdict on an order, under the name of your key. The newest label of an order counts.

    The order need not be known yet. Detectors store the label within moments: `GET` shows it then.
    """
    return json_response(await labels.publish(principal_of(request).author, order_id, wanted), 202)
