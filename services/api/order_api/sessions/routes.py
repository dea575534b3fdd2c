"""`/v1/session`."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response

from order_api import queries
from order_api.authentication import CHALLENGE, CallerByHeader, Reader, principal_of_key
from order_api.guarded_route import GuardedRoute
from order_api.keys import hash_key
from order_api.openapi import responses
from order_api.parameters import refuse_null_body
from order_api.problems.requests import NoSession, NotAuthenticated
from order_api.responses import json_response
from order_api.services import AllServices
from order_api.sessions.cookie import clear_token, read_token, set_token
from order_api.sessions.model import Session, SessionRequest
from order_api.sessions.token import new_token

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["session"])

SET_COOKIE: Final[dict[str, Any]] = {
    "headers": {"Set-Cookie": {"description": "the session", "required": True, "schema": {"type": "string"}}}
}


@router.post(
    "/session",
    operation_id="create_session",
    status_code=201,
    response_model=Session,
    responses={
        201: {"description": "The session has begun", **SET_COOKIE},
        **responses(401, 403, 413, 415, 422, 429, 503),
    },
    # The key may stand in the body too, so the header is not required.
    openapi_extra={"security": [{"apiKey": []}, {}]},
)
async def create_session(
    request: Request,
    services: AllServices,
    caller: CallerByHeader,
    given: Annotated[SessionRequest | None, Body(description="the key, unless the header holds it")] = None,
) -> Response:
    """Begin a session: send a key once, as `Authorization: Bearer KEY` or in the body, and get a cookie for it.

    For browsers: the cookie goes along with every call and with `EventSource`, scripts cannot read it, and other sites
    cannot use it. The session ends after some hours, at `DELETE /v1/session`, or when its key is revoked.
    """
    await refuse_null_body(request)
    if caller is None:
        if given is None:
            raise NotAuthenticated("send an API key as `Authorization: Bearer KEY`, or as `key` in the body", CHALLENGE)
        caller = await principal_of_key(request, given.key)
    token = new_token()
    lifetime = timedelta(hours=services.settings.api_session_hours)
    expires_at = await queries.open_session(services.databases.lookups, hash_key(token), caller.key_id, lifetime)
    response = json_response({"key_id": caller.key_id, "role": caller.role, "expires_at": expires_at}, 201)
    set_token(response, token, request, services.settings)
    return response


@router.get(
    "/session", operation_id="get_session", response_model=Session, responses=responses(401, 403, 422, 429, 503)
)
async def get_session(caller: Reader) -> Response:
    """On whose behalf the caller asks, what they may do, and when their session ends."""
    return json_response({"key_id": caller.key_id, "role": caller.role, "expires_at": caller.session_ends})


@router.delete(
    "/session",
    operation_id="delete_session",
    status_code=204,
    responses={204: {"description": "The session has ended", **SET_COOKIE}, **responses(401, 403, 404, 422, 429, 503)},
)
async def delete_session(request: Request, services: AllServices, caller: Reader) -> Response:
    """End the session whose cookie came along."""
    token = read_token(request)
    if token is None:
        raise NoSession
    services.sessions.forget(token)
    await queries.close_session(services.databases.lookups, hash_key(token), caller.key_id)
    response = Response(status_code=204)
    clear_token(response, request, services.settings)
    return response
