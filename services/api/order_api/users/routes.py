"""`/v1/users/{user_id}`."""

from fastapi import APIRouter, Request, Response

from order_api.auth.dependencies import principal_of, reader
from order_api.auth.keys import Scope
from order_api.http.problems.openapi import responses
from order_api.kit.etag import CONDITIONAL, IF_NONE_MATCH, conditional_response
from order_api.kit.query_parameters import UserId
from order_api.kit.routing import CredentialsFirstRoute
from order_api.users.schemas import User
from order_api.users.service import Users

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["users"], dependencies=[reader(Scope.USERS)])


@router.get(
    "/users/{user_id:identifier}",
    operation_id="get_user",
    response_model=User,
    responses={**CONDITIONAL, **responses(401, 403, 404, 422, 429, 503)},
    openapi_extra=IF_NONE_MATCH,
)
async def get_user(request: Request, users: Users, user_id: UserId) -> Response:
    """A user as their stored orders show them: standing, totals, what they use most, their newest orders and flags.

    `latest_orders` and `latest_flags` are first pages of ten; their `url` with `cursor` leads on.
    """
    return conditional_response(request, await users.find(request, principal_of(request), user_id))
