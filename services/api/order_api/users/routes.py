"""`/v1/users/{user_id}`."""

from typing import Final

from fastapi import APIRouter, Request, Response

from order_api import queries
from order_api.authentication import caller_of, reader
from order_api.conditional import CONDITIONAL, IF_NONE_MATCH, conditional_response
from order_api.database import Database
from order_api.guarded_route import GuardedRoute
from order_api.keys import Scope
from order_api.openapi import responses
from order_api.orders.criteria import Criteria
from order_api.orders.paging import read_page
from order_api.paths import UserId
from order_api.personal_data import is_masked
from order_api.problems.orders import UserUnknown
from order_api.services import AllServices
from order_api.users.model import User
from order_api.users.overview import Known, overview

LATEST: Final = 10

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["users"], dependencies=[reader(Scope.USERS)])


@router.get(
    "/users/{user_id:identifier}",
    operation_id="get_user",
    response_model=User,
    responses={**CONDITIONAL, **responses(401, 403, 404, 422, 429, 503)},
    openapi_extra=IF_NONE_MATCH,
)
async def get_user(request: Request, services: AllServices, user_id: UserId) -> Response:
    """A user as their stored orders show them: standing, totals, what they use most, their newest orders and flags.

    `latest_orders` and `latest_flags` are first pages of ten; their `url` with `cursor` leads on.
    """
    known = await services.listings.run(request, caller_of(request), lambda database: _read(database, user_id))
    if not known.groups:
        raise UserUnknown
    masked = is_masked(services.settings, caller_of(request))
    return conditional_response(request, overview(user_id, known, masked=masked))


async def _read(database: Database, user_id: str) -> Known:
    """What is stored about a user, all as of one moment: totals and lists agree while orders arrive."""
    async with database.snapshot() as snapshot:
        return Known(
            await queries.user_groups(snapshot, user_id),
            await queries.user_uses(snapshot, user_id),
            await read_page(snapshot, Criteria(user_id=user_id), None, LATEST),
            await read_page(snapshot, Criteria(user_id=user_id, flagged=True), None, LATEST),
        )
