"""`/workbench/sign-in/provider` and `/workbench/sign-in/callback`: signing in with the identity provider."""

import secrets
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from order_api.auth.sessions import is_secure
from order_api.sessions.service import Sessions
from order_workbench.kit.routing import page_router
from order_workbench.sign_in.identity_provider import CALLBACK, Attempt, IdentityProvider, SignInRefused
from order_workbench.sign_in.routes import START, begin_session

ATTEMPT_COOKIE: Final = "orderwatch_sign_in"
ATTEMPT_SECONDS: Final = 600


def provider_router(provider: IdentityProvider) -> APIRouter:
    """The routes by which people sign in with a provider."""
    router = page_router()

    @router.get("/sign-in/provider")
    async def begin_at_provider(request: Request, sessions: Sessions) -> Response:
        """Send the visitor to the identity provider."""
        attempt = Attempt.begin()
        response = RedirectResponse(
            await provider.authorization_url(attempt, provider.redirect_uri(str(request.base_url))), 303
        )
        response.set_cookie(
            ATTEMPT_COOKIE,
            ".".join(attempt),
            max_age=ATTEMPT_SECONDS,
            path=CALLBACK,
            httponly=True,
            samesite="lax",
            secure=is_secure(request, sessions.cookies),
        )
        return response

    @router.get("/sign-in/callback")
    async def return_from_provider(
        request: Request, sessions: Sessions, state: str = "", code: str = "", error: str = ""
    ) -> Response:
        """Begin a session for who returned from the identity provider."""
        parts = request.cookies.get(ATTEMPT_COOKIE, "").split(".")
        if len(parts) != len(Attempt._fields) or not secrets.compare_digest(parts[0].encode(), state.encode()):
            raise SignInRefused("this sign-in did not begin in this browser, or more than ten minutes ago; begin again")
        if error or not code:
            raise SignInRefused(f"the identity provider says: {error[:100] or 'no code'}")
        identity = await provider.identify(Attempt(*parts), code, provider.redirect_uri(str(request.base_url)))
        key_id = await sessions.find_subject(identity.subject, identity.name, identity.role)
        if key_id is None:
            raise SignInRefused("your access to Orderwatch was revoked")
        response = await begin_session(request, sessions, key_id, START)
        response.delete_cookie(ATTEMPT_COOKIE, path=CALLBACK)
        return response

    return router
