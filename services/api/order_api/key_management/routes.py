"""`/v1/keys`."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.exceptions import RequestValidationError

from order_api.auth.credential_cache import Principal
from order_api.auth.dependencies import administrator, principal_of
from order_api.auth.keys import Scope, store_key
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.http.problems.requests import NotPermitted
from order_api.key_management.schemas import CreatedKey, KeyList, KeyRequest
from order_api.key_management.service import Keys
from order_api.kit.routing import CredentialsFirstRoute

router = APIRouter(
    prefix="/v1", route_class=CredentialsFirstRoute, tags=["keys"], dependencies=[administrator(Scope.KEYS)]
)

KeyId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="of a key: the part after `ow_`")]


@router.get("/keys", operation_id="list_keys", response_model=KeyList, responses=responses(401, 403, 503))
async def list_keys(keys: Keys) -> Response:
    """The keys, without the secrets: valid ones first, of these the newest first; 1,000 at most."""
    now = datetime.now(UTC)
    listed = await keys.list_keys()
    valid = [key.revoked_at is None and (key.expires_at is None or key.expires_at > now) for key in listed]
    items = [{**key._asdict(), "valid": is_valid} for key, is_valid in zip(listed, valid, strict=True)]
    return json_response({"items": items})


@router.post(
    "/keys",
    operation_id="create_key",
    status_code=201,
    response_model=CreatedKey,
    responses={201: {"description": "The key has been made"}, **responses(401, 403, 413, 415, 422, 429, 503)},
)
async def create_key(request: Request, keys: Keys, requested: KeyRequest) -> Response:
    """Make a key. The response holds it, this once: only its hash is stored.

    A key that is restricted to scopes, or expires, makes only keys that are restricted at least as much.
    """
    _reject_more_than_own(principal_of(request), requested)
    try:
        made = await store_key(
            keys.database,
            requested.name,
            requested.role,
            expires_at=requested.expires_at,
            scopes=requested.scopes,
        )
    except ValueError as error:  # all else is in the schema
        raise RequestValidationError(
            [{"type": "value", "loc": ("body", "expires_at"), "input": requested.expires_at, "msg": str(error)}]
        ) from None
    body = {**requested.model_dump(), "key_id": made.key_id, "created_at": made.created_at, "key": made.key}
    return json_response(body, 201)


@router.delete(
    "/keys/{key_id}",
    operation_id="revoke_key",
    status_code=204,
    responses={204: {"description": "The key is revoked"}, **responses(401, 403, 404, 422, 429, 503)},
)
async def delete_key(request: Request, keys: Keys, key_id: KeyId) -> Response:
    """Revoke a key: it and its sessions are refused from then on, and its streams end within seconds."""
    await keys.revoke(key_id, principal_of(request))
    return Response(status_code=204)


def _reject_more_than_own(principal: Principal, requested: KeyRequest) -> None:
    """Raises NotPermitted for a key that could do more, or for longer, than the one that makes it."""
    if principal.scopes is not None and not (requested.scopes and principal.scopes.issuperset(requested.scopes)):
        own = ", ".join(sorted(principal.scopes))
        raise NotPermitted(f"your key is restricted to the scopes {own}: give `scopes`, some of these")
    if principal.key_expires_at is not None and not (
        requested.expires_at and requested.expires_at <= principal.key_expires_at
    ):
        raise NotPermitted(
            f"your key expires at {principal.key_expires_at.isoformat()}: give `expires_at`, at the latest that"
        )
