"""`/workbench/sign-in`, `/workbench/sign-out` and `/workbench/preferences`."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Form, Request, Response
from pydantic import Field
from starlette.responses import RedirectResponse

from order_api.auth.csrf import reject_cross_origin
from order_api.auth.dependencies import READER, authentication_of, principal_of
from order_api.auth.sessions import clear_token, read_token, set_token
from order_api.http.problems.requests import NotAuthenticated
from order_api.sessions.service import Sessions, SessionService
from order_workbench.kit.forms import PageForm
from order_workbench.kit.languages import COOKIE as LANGUAGE_COOKIE
from order_workbench.kit.rendering import THEME_COOKIE, pages_of, render_page
from order_workbench.kit.routing import SIGN_IN, page_router, redirect

router = page_router()

START = "/workbench/now"
_YEAR = 31_536_000


class KeyForm(PageForm):
    """A key typed by hand."""

    key: Annotated[str, Field(max_length=200)] = ""
    next: Annotated[str, Field(max_length=4_000)] = START


class PreferencesForm(PageForm):
    """How a visitor wants to see the pages."""

    language: Literal["en", "id"] | None = None
    theme: Literal["light", "dark"] | None = None
    next: Annotated[str, Field(max_length=4_000)] = START


@router.get("/sign-in")
async def show_sign_in(request: Request, sessions: Sessions, code: str = "", next: str = START) -> Response:  # noqa: A002
    """Begin a session with the code of a link, or ask for a key."""
    if code and "prefetch" not in request.headers.get("sec-purpose", ""):
        key_id = await sessions.redeem(code)
        if key_id is not None:
            return await begin_session(request, sessions, key_id, START)
    return _ask(request, 403 if code else 200, "code" if code else None, next)


@router.post("/sign-in")
async def sign_in(request: Request, sessions: Sessions, given: Annotated[KeyForm, Form()]) -> Response:
    """Begin a session with a key."""
    authentication = authentication_of(request)
    reject_cross_origin(request, authentication.trusted_origins)
    try:
        principal = await authentication.authenticate_key(request, given.key.strip())
    except NotAuthenticated:
        return _ask(request, 401, "key", given.next)
    return await begin_session(request, sessions, principal.key_id, given.next)


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
    with_provider = pages_of(request).with_provider
    return render_page(request, "sign_in/page.html", status, failed=failed, next=wanted, with_provider=with_provider)


async def begin_session(request: Request, sessions: SessionService, key_id: str, wanted: str) -> RedirectResponse:
    """Begin a session in the visitor's browser, and lead to the page that they wanted."""
    token, _ = await sessions.open(key_id, read_token(request))
    response = RedirectResponse(own_path(wanted), 303)
    set_token(response, token, request, sessions.cookies)
    return response
