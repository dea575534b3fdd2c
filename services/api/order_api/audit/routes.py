"""`/v1/audit`."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from order_api.audit.filters import AuditParameters
from order_api.audit.schemas import AuditPage
from order_api.audit.service import Audit
from order_api.auth.dependencies import administrator
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.pagination import LINK_HEADER, link_headers
from order_api.kit.query_parameters import reject_contradictions, reject_repeated
from order_api.kit.routing import CredentialsFirstRoute

router = APIRouter(
    prefix="/v1", route_class=CredentialsFirstRoute, tags=["audit"], dependencies=[administrator(Scope.AUDIT)]
)


@router.get(
    "/audit",
    operation_id="list_audit",
    response_model=AuditPage,
    responses={200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)},
)
async def get_audit(request: Request, audit: Audit, parameters: Annotated[AuditParameters, Query()]) -> Response:
    """Changes of lists, labels and rulesets, newest first: who made them, when and why."""
    reject_repeated(request)
    reject_contradictions(parameters)
    items, cursor = await audit.list_page(request, parameters)
    page = {"items": [asdict(entry) for entry in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))
