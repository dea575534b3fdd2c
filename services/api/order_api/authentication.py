"""Who asks: API keys as `Authorization: Bearer KEY`, or the session of a browser in its cookie, with roles.

A router takes `dependencies=[reader(Scope.ORDERS)]` and the like; its routes find the principal with `caller_of`.
"""

from typing import Annotated, Any, Final, cast

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection, Request

from order_api.key_ring import KeyRing, Principal
from order_api.keys import Role, Scope
from order_api.problems.refusals import TooManyRequests
from order_api.problems.requests import NotAuthenticated, NotPermitted
from order_api.rate_limits import RateLimits
from order_api.same_origin import refuse_cross_origin
from order_api.services import services_of
from order_api.sessions.cookie import read_token

CHALLENGE: Final = 'Bearer realm="orderwatch"'


class KeyOfRole(HTTPBearer):
    """A dependency: the caller, whose key has `role` or one that includes it. Documents itself as a bearer scheme.

    One step rather than a chain of dependencies: each link costs every request about as much as a query.
    """

    def __init__(self, role: Role, scope: Scope | None = None) -> None:
        super().__init__(
            scheme_name="apiKey", bearerFormat="ow_<id>_<secret>", description="An API key.", auto_error=False
        )
        self._role = role
        self._scope = scope

    async def __call__(self, request: HTTPConnection) -> Principal:  # type: ignore[override]  # never credentials
        """The caller. Raises NotAuthenticated, NotPermitted, TooManyRequests, TooManyGuesses or CrossOrigin."""
        caller: Principal | None = getattr(request.state, "caller", None)  # a route asks before it reads a body
        if caller is None:
            key = bearer_key(request)
            caller = await (_principal_of_session(request) if key is None else principal_of_key(request, key))
        if not caller.role.includes(self._role):
            raise NotPermitted(f"this needs a key of role {self._role}; yours has role {caller.role}")
        if not caller.has_scope(self._scope):
            scopes = ", ".join(sorted(caller.scopes or ()))
            raise NotPermitted(f"this needs a key with scope {self._scope}; yours has {scopes}")
        return caller


class HeaderKey:
    """A dependency: the caller whose key is in header Authorization, None without the header.

    For where the key may be in the body instead. Raises NotAuthenticated, TooManyRequests, TooManyGuesses or
    CrossOrigin.
    """

    async def __call__(self, request: Request) -> Principal | None:
        caller: Principal | None = getattr(request.state, "caller", None)
        if caller is not None:
            return caller
        refuse_cross_origin(request, services_of(request).settings.api_cors_origins)
        key = bearer_key(request)
        return None if key is None else await principal_of_key(request, key)


def reader(scope: Scope) -> Any:
    """The dependency of a router whose routes need role read, and a key for this part of the API."""
    return Depends(KeyOfRole(Role.READ, scope))


def administrator(scope: Scope) -> Any:
    """The dependency of a router whose routes need role admin, and a key for this part of the API."""
    return Depends(KeyOfRole(Role.ADMIN, scope))


# Without a scope: a key may always ask about itself.
READER: Final = Depends(KeyOfRole(Role.READ))

CallerByHeader = Annotated[Principal | None, Depends(HeaderKey())]
Reader = Annotated[Principal, READER]
Reviewer = Annotated[Principal, Depends(KeyOfRole(Role.REVIEW))]


def caller_of(request: HTTPConnection) -> Principal:
    """The principal of a request that KeyOfRole admitted."""
    return cast("Principal", request.state.caller)


def bearer_key(request: HTTPConnection) -> str | None:
    """What header Authorization holds as a key, None when it holds none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def is_valid_lately(request: HTTPConnection) -> bool:
    """Whether a request comes with a key or session that was valid when it was last looked up; costs no query."""
    services, key = services_of(request), bearer_key(request)
    ring, secret = (services.sessions, read_token(request)) if key is None else (services.keys, key)
    return secret is not None and ring.remembers(secret)


async def principal_of_key(request: HTTPConnection, key: str) -> Principal:
    """The principal of a valid key, whose request is counted."""
    services = services_of(request)
    caller = await _looked_up(request, services.keys, services.limits, key)
    if caller is None:
        raise NotAuthenticated("the API key is unknown, expired or revoked", f'{CHALLENGE}, error="invalid_token"')
    return await _counted(request, services.limits, caller)


async def still_permitted(request: HTTPConnection) -> None:
    """For an answer that goes on and on: raises NotAuthenticated once its key is revoked or its session has ended."""
    services, key = services_of(request), bearer_key(request)
    ring, secret = (services.sessions, read_token(request)) if key is None else (services.keys, key)
    if secret is None or await ring.principal(secret) is None:
        raise NotAuthenticated("the API key was revoked, or the session has ended", CHALLENGE)


async def _principal_of_session(request: HTTPConnection) -> Principal:
    token = read_token(request)
    if token is None:
        raise NotAuthenticated("send an API key as `Authorization: Bearer KEY`, or a session's cookie", CHALLENGE)
    services = services_of(request)
    caller = await _looked_up(request, services.sessions, services.limits, token)
    if caller is None:
        raise NotAuthenticated("the session has ended, or never was; begin one with POST /v1/session", CHALLENGE)
    refuse_cross_origin(request, services.settings.api_cors_origins)
    return await _counted(request, services.limits, caller)


async def _looked_up(request: HTTPConnection, ring: KeyRing, limits: RateLimits, secret: str) -> Principal | None:
    if not ring.is_guess(secret):
        return await ring.principal(secret)
    address = "" if request.client is None else request.client.host
    await limits.admit_guess(address)
    caller = await ring.principal(secret)
    if caller is None:
        await limits.count_wrong_guess(address)
    return caller


async def _counted(request: HTTPConnection, limits: RateLimits, caller: Principal) -> Principal:
    request.state.caller = caller
    allowance = await limits.count_request(caller.key_id)
    request.state.answer_headers.extend(allowance.headers())
    if not allowance.permitted:
        raise TooManyRequests(allowance.limit, allowance.window, allowance.reset)
    return caller
