"""FastAPI dependencies that authenticate: an API key as `Authorization: Bearer KEY`, or a session in its cookie.

A router takes `dependencies=[reader(Scope.ORDERS)]` and the like; its routes find the principal with `principal_of`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection, Request

from order_api.auth.credential_cache import CredentialCache, Principal
from order_api.auth.csrf import reject_cross_origin
from order_api.auth.keys import Role, Scope
from order_api.auth.rate_limits import RateLimits
from order_api.auth.sessions import read_token
from order_api.http.problems.rejections import TooManyRequests
from order_api.http.problems.requests import NotAuthenticated, NotPermitted
from order_api.kit.registry import find_service
from order_api.kit.routing import CredentialCheck

CHALLENGE: Final = 'Bearer realm="orderwatch"'


@dataclass(frozen=True, slots=True)
class Authentication:
    """Finds the principal of a request, and counts the request."""

    keys: CredentialCache
    sessions: CredentialCache
    limits: RateLimits
    trusted_origins: Collection[str]

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """The principal of the key in header Authorization, else of the session in the cookie."""
        key = bearer_key(request)
        return await (self._authenticate_session(request) if key is None else self.authenticate_key(request, key))

    async def authenticate_key(self, request: HTTPConnection, key: str) -> Principal:
        """The principal of a valid key."""
        principal = await self._find_principal(request, self.keys, key)
        if principal is None:
            raise NotAuthenticated("the API key is unknown, expired or revoked", f'{CHALLENGE}, error="invalid_token"')
        return await self._count_request(request, principal)

    async def require_still_permitted(self, request: HTTPConnection) -> None:
        """For responses that last: raises NotAuthenticated once the key is revoked or the session has ended."""
        cache, secret = self._secret(request)
        if secret is None or await cache.find_principal(secret) is None:
            raise NotAuthenticated("the API key was revoked, or the session has ended", CHALLENGE)

    def is_recently_valid(self, request: HTTPConnection) -> bool:
        """Whether a request has a key or session that was valid when it was last looked up; costs no query."""
        cache, secret = self._secret(request)
        return secret is not None and cache.has(secret)

    def _secret(self, request: HTTPConnection) -> tuple[CredentialCache, str | None]:
        key = bearer_key(request)
        return (self.sessions, read_token(request)) if key is None else (self.keys, key)

    async def _authenticate_session(self, request: HTTPConnection) -> Principal:
        token = read_token(request)
        if token is None:
            raise NotAuthenticated("send an API key as `Authorization: Bearer KEY`, or a session's cookie", CHALLENGE)
        principal = await self._find_principal(request, self.sessions, token)
        if principal is None:
            raise NotAuthenticated("the session has ended, or never was; begin one with POST /v1/session", CHALLENGE)
        reject_cross_origin(request, self.trusted_origins)
        return await self._count_request(request, principal)

    async def _find_principal(self, request: HTTPConnection, cache: CredentialCache, secret: str) -> Principal | None:
        if not cache.is_guess(secret):
            return await cache.find_principal(secret)
        address = "" if request.client is None else request.client.host
        await self.limits.admit_guess(address)
        principal = await cache.find_principal(secret)
        if principal is None:
            await self.limits.count_wrong_guess(address)
        return principal

    async def _count_request(self, request: HTTPConnection, principal: Principal) -> Principal:
        request.state.principal = principal
        allowance = await self.limits.count_request(principal.key_id)
        request.state.response_headers.extend(allowance.headers())
        if not allowance.permitted:
            raise TooManyRequests(allowance.limit, allowance.window, allowance.reset)
        return principal


class RoleRequirement(CredentialCheck, HTTPBearer):
    """A dependency: the principal, of `role` or one that includes it. Documents itself as a bearer scheme.

    One step rather than a chain of dependencies: each link costs every request about as much as a query.
    """

    def __init__(self, role: Role, scope: Scope | None = None) -> None:
        super().__init__(
            scheme_name="apiKey", bearerFormat="ow_<id>_<secret>", description="An API key.", auto_error=False
        )
        self._role = role
        self._scope = scope

    async def __call__(self, request: HTTPConnection) -> Principal:  # type: ignore[override]  # never credentials
        """The principal. Raises NotAuthenticated, NotPermitted, TooManyRequests, TooManyGuesses or CrossOrigin."""
        principal: Principal | None = getattr(request.state, "principal", None)  # a route checks before it reads a body
        if principal is None:
            principal = await authentication_of(request).authenticate(request)
        if not principal.role.includes(self._role):
            raise NotPermitted(f"this needs a key of role {self._role}; yours has role {principal.role}")
        if not principal.has_scope(self._scope):
            scopes = ", ".join(sorted(principal.scopes or ()))
            raise NotPermitted(f"this needs a key with scope {self._scope}; yours has {scopes}")
        return principal


class HeaderKey(CredentialCheck):
    """A dependency: the principal of the key in header Authorization, None without the header.

    For routes that take the key in the body instead. Raises NotAuthenticated, TooManyRequests, TooManyGuesses or
    CrossOrigin.
    """

    async def __call__(self, request: Request) -> Principal | None:
        principal: Principal | None = getattr(request.state, "principal", None)
        if principal is not None:
            return principal
        authentication = authentication_of(request)
        reject_cross_origin(request, authentication.trusted_origins)
        key = bearer_key(request)
        return None if key is None else await authentication.authenticate_key(request, key)


def reader(scope: Scope) -> Any:
    """The dependency of a router whose routes need role read, and a key for this part of the API."""
    return Depends(RoleRequirement(Role.READ, scope))


def reviewer(scope: Scope) -> Any:
    """The dependency of routes that need role review, and a key for this part of the API."""
    return Depends(RoleRequirement(Role.REVIEW, scope))


def administrator(scope: Scope) -> Any:
    """The dependency of a router whose routes need role admin, and a key for this part of the API."""
    return Depends(RoleRequirement(Role.ADMIN, scope))


# Without a scope: a key may always ask about itself.
READER: Final = Depends(RoleRequirement(Role.READ))

KeyInHeader = Annotated[Principal | None, Depends(HeaderKey())]
Reader = Annotated[Principal, READER]
Reviewer = Annotated[Principal, Depends(RoleRequirement(Role.REVIEW))]


def principal_of(request: HTTPConnection) -> Principal:
    """The principal of a request that RoleRequirement admitted."""
    return cast("Principal", request.state.principal)


def authentication_of(request: HTTPConnection) -> Authentication:
    """The authentication of the application that handles `request`."""
    return find_service(request, Authentication)


def bearer_key(request: HTTPConnection) -> str | None:
    """What header Authorization holds as a key, None when it holds none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None
