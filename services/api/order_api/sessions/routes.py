"""`/v1/session`."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response

from order_api.auth.credential_cache import Principal
from order_api.auth.dependencies import CHALLENGE, KeyInHeader, Reader, authentication_of
from order_api.auth.sessions import clear_token, read_token, set_token
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.http.problems.requests import NoSession, NotAuthenticated
from order_api.kit.query_parameters import reject_null_body
from order_api.kit.routing import CredentialsFirstRoute
from order_api.sessions.schemas import Session, SessionRequest
from order_api.sessions.service import Sessions

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["session"])

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
    # The key may be in the body too, so the header is not required.
    openapi_extra={"security": [{"apiKey": []}, {}]},
)
async def create_session(
    request: Request,
    sessions: Sessions,
    principal: KeyInHeader,
    given: Annotated[SessionRequest | None, Body(description="the key, unless the header holds it")] = None,
) -> Response:
    """Begin a session: send a key once, as `Authorization: Bearer KEY` or in the body, and get a cookie for it.

    For browsers: the cookie goes along with every call and with `EventSource`, scripts cannot read it, and other sites
    cannot use it. The session ends after some hours, at `DELETE /v1/session`, or with its key: when that is revoked or
    expires. A session whose cookie came along ends when the new one begins; a key has 50 sessions at most, of which
    the oldest makes room.
    """
    await reject_null_body(request)
    if principal is None:
        if given is None:
            raise NotAuthenticated("send an API key as `Authorization: Bearer KEY`, or as `key` in the body", CHALLENGE)
        principal = await authentication_of(request).authenticate_key(request, given.key)
    token, expires_at = await sessions.open(principal.key_id, read_token(request))
    response = json_response(_describe_session(principal, expires_at), 201)
    set_token(response, token, request, sessions.cookies)
    return response


@router.get(
    "/session", operation_id="get_session", response_model=Session, responses=responses(401, 403, 422, 429, 503)
)
async def get_session(principal: Reader) -> Response:
    """On whose behalf the client asks, what they may do, and when their session ends."""
    return json_response(_describe_session(principal, principal.expires_at))


@router.delete(
    "/session",
    operation_id="delete_session",
    status_code=204,
    responses={204: {"description": "The session has ended", **SET_COOKIE}, **responses(401, 403, 404, 422, 429, 503)},
)
async def delete_session(request: Request, sessions: Sessions, principal: Reader) -> Response:
    """End the session whose cookie came along."""
    token = read_token(request)
    if token is None:
        raise NoSession
    await sessions.close(principal.key_id, token)
    response = Response(status_code=204)
    clear_token(response, request, sessions.cookies)
    return response


def _describe_session(principal: Principal, expires_at: datetime | None) -> dict[str, object]:
    scopes = None if principal.scopes is None else sorted(principal.scopes)
    return {"key_id": principal.key_id, "role": principal.role, "scopes": scopes, "expires_at": expires_at}
