"""`/workbench/sign-in`, `/workbench/sign-out` and `/workbench/preferences`."""

import secrets
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse

from order_api.auth.csrf import reject_cross_origin
from order_api.auth.dependencies import READER, authentication_of, principal_of
from order_api.auth.sessions import clear_token, read_token, set_token
from order_api.http.problems.requests import NotAuthenticated, NotFound
from order_api.sessions.service import Sessions, SessionService
from order_workbench.kit.languages import COOKIE as LANGUAGE_COOKIE
from order_workbench.kit.rendering import THEME_COOKIE, render_page
from order_workbench.kit.routing import SIGN_IN, PageRoute, redirect
from order_workbench.sign_in.identity_provider import Attempt, IdentityProvider, SignInRefused

router = APIRouter(prefix="/workbench", route_class=PageRoute, include_in_schema=False)

START = "/workbench/now"
ATTEMPT_COOKIE = "orderwatch_sign_in"
ATTEMPT_SECONDS = 600
_CALLBACK = "/workbench/sign-in/callback"
_YEAR = 31_536_000


class KeyForm(BaseModel):
    """A key typed by hand."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(max_length=200)] = ""
    next: Annotated[str, Field(max_length=4_000)] = START


class PreferencesForm(BaseModel):
    """How a visitor wants to see the pages."""

    model_config = ConfigDict(extra="forbid")

    language: Literal["en", "id"] | None = None
    theme: Literal["light", "dark"] | None = None
    next: Annotated[str, Field(max_length=4_000)] = START


@router.get("/sign-in")
async def show_sign_in(request: Request, sessions: Sessions, code: str = "", next: str = START) -> Response:  # noqa: A002
    """Begin a session with the code of a link, or ask for a key."""
    if code and "prefetch" not in request.headers.get("sec-purpose", ""):
        key_id = await sessions.redeem(code)
        if key_id is not None:
            return await _begin_session(request, sessions, key_id, START)
    return _ask(request, 403 if code else 200, "code" if code else None, next)


@router.get("/sign-in/provider")
async def begin_at_provider(request: Request) -> Response:
    """Send the visitor to the identity provider."""
    provider = _provider_of(request)
    attempt = Attempt.begin()
    response = RedirectResponse(await provider.authorization_url(attempt, _redirect_uri(request)), 303)
    response.set_cookie(
        ATTEMPT_COOKIE,
        ".".join(attempt),
        max_age=ATTEMPT_SECONDS,
        path=_CALLBACK,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.get("/sign-in/callback")
async def return_from_provider(
    request: Request, sessions: Sessions, state: str = "", code: str = "", error: str = ""
) -> Response:
    """Begin a session for who returned from the identity provider."""
    provider = _provider_of(request)
    parts = request.cookies.get(ATTEMPT_COOKIE, "").split(".")
    if len(parts) != len(Attempt._fields) or not secrets.compare_digest(parts[0].encode(), state.encode()):
        raise SignInRefused("this sign-in did not begin in this browser, or more than ten minutes ago; begin again")
    if error or not code:
        raise SignInRefused(f"the identity provider says: {error[:100] or 'no code'}")
    identity = await provider.identify(Attempt(*parts), code, _redirect_uri(request))
    key_id = await sessions.find_subject(identity.subject, identity.name, identity.role)
    if key_id is None:
        raise SignInRefused("your access to Orderwatch was revoked")
    response = await _begin_session(request, sessions, key_id, START)
    response.delete_cookie(ATTEMPT_COOKIE, path=_CALLBACK)
    return response


@router.post("/sign-in")
async def sign_in(request: Request, sessions: Sessions, given: Annotated[KeyForm, Form()]) -> Response:
    """Begin a session with a key."""
    authentication = authentication_of(request)
    reject_cross_origin(request, authentication.trusted_origins)
    try:
        principal = await authentication.authenticate_key(request, given.key.strip())
    except NotAuthenticated:
        return _ask(request, 401, "key", given.next)
    return await _begin_session(request, sessions, principal.key_id, given.next)


@router.post("/sign-out", dependencies=[READER])
async def sign_out(request: Request, sessions: Sessions) -> Response:
    """End the session."""
    token = read_token(request)
    if token is not None:
        await sessions.close(principal_of(request).key_id, token)
    response = redirect(request, SIGN_IN)
    clear_token(response, request, sessions.cookies)
    return response


@router.post("/preferences")
async def set_preferences(request: Request, wanted: Annotated[PreferencesForm, Form()]) -> Response:
    """Keep the language and the theme in cookies, and return to the page."""
    reject_cross_origin(request, authentication_of(request).trusted_origins)
    response = redirect(request, own_path(wanted.next))
    for name, value in ((LANGUAGE_COOKIE, wanted.language), (THEME_COOKIE, wanted.theme)):
        if value is not None:
            response.set_cookie(name, value, max_age=_YEAR, path="/workbench", httponly=True, samesite="lax")
    return response


def own_path(wanted: str) -> str:
    """A path of the workbench; anything else, which a link of another site may have put there, is the start page."""
    parts = urlsplit(wanted)
    is_own = not parts.scheme and not parts.netloc and parts.path.startswith("/workbench/") and "\\" not in wanted
    return wanted if is_own and wanted.isprintable() else START


def _ask(request: Request, status: int, failed: Literal["code", "key"] | None, wanted: str) -> Response:
    """The sign-in page; `failed` is what did not sign the visitor in."""
    with_provider = request.app.state.identity_provider is not None
    return render_page(request, "sign_in/page.html", status, failed=failed, next=wanted, with_provider=with_provider)


def _provider_of(request: Request) -> IdentityProvider:
    provider: IdentityProvider | None = request.app.state.identity_provider
    if provider is None:
        raise NotFound("no identity provider is configured: ORDERWATCH_OIDC_ISSUER names one")
    return provider


def _redirect_uri(request: Request) -> str:
    configured: str = request.app.state.workbench_settings.oidc_redirect_uri
    return configured or f"{str(request.base_url).rstrip('/')}{_CALLBACK}"


async def _begin_session(request: Request, sessions: SessionService, key_id: str, wanted: str) -> RedirectResponse:
    token, _ = await sessions.open(key_id, read_token(request))
    response = RedirectResponse(own_path(wanted), 303)
    set_token(response, token, request, sessions.cookies)
    return response
