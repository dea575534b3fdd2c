"""`/v1/session`."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response

from order_api import credential_queries
from order_api.authentication import CHALLENGE, CallerByHeader, Reader, principal_of_key
from order_api.guarded_route import GuardedRoute
from order_api.key_ring import Principal
from order_api.keys import hash_key
from order_api.openapi import responses
from order_api.parameters import refuse_null_body
from order_api.problems.requests import NoSession, NotAuthenticated
from order_api.responses import json_response
from order_api.services import AllServices
from order_api.sessions.cookie import clear_token, read_token, set_token
from order_api.sessions.model import Session, SessionRequest
from order_api.sessions.token import looks_like_token, new_token

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
    cannot use it. The session ends after some hours, at `DELETE /v1/session`, or with its key: when that is revoked or
    expires. A session whose cookie came along ends when the new one begins; a key has 50 sessions at most, of which
    the oldest makes room.
    """
    await refuse_null_body(request)
    if caller is None:
        if given is None:
            raise NotAuthenticated("send an API key as `Authorization: Bearer KEY`, or as `key` in the body", CHALLENGE)
        caller = await principal_of_key(request, given.key)
    token = new_token()
    lifetime = timedelta(hours=services.settings.api_session_hours)
    old = read_token(request)
    replaced = hash_key(old) if old is not None and looks_like_token(old) else None
    expires_at = await credential_queries.open_session(
        services.databases.lookups, hash_key(token), caller.key_id, lifetime, replaced
    )
    if replaced is not None:
        services.sessions.forget(replaced)
    response = json_response(_described(caller, expires_at), 201)
    set_token(response, token, request, services.settings)
    return response


@router.get(
    "/session", operation_id="get_session", response_model=Session, responses=responses(401, 403, 422, 429, 503)
)
async def get_session(caller: Reader) -> Response:
    """On whose behalf the caller asks, what they may do, and when their session ends."""
    return json_response(_described(caller, caller.expires_at))


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
    await credential_queries.close_session(services.databases.lookups, hash_key(token), caller.key_id)
    # After the end is stored: what was looked up before must not be taken for valid.
    services.sessions.forget(hash_key(token))
    response = Response(status_code=204)
    clear_token(response, request, services.settings)
    return response


def _described(caller: Principal, expires_at: datetime | None) -> dict[str, object]:
    scopes = None if caller.scopes is None else sorted(caller.scopes)
    return {"key_id": caller.key_id, "role": caller.role, "scopes": scopes, "expires_at": expires_at}
