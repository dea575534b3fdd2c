"""The cookie that carries a session's token: out of reach for scripts, and not sent along from other sites."""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from order_api.settings import ApiSettings

COOKIE: Final = "orderwatch_session"
# Over HTTPS: browsers take a cookie of this prefix from the API's own host alone, not from a page of a sibling domain.
HOST_COOKIE: Final = f"__Host-{COOKIE}"


def read_token(request: HTTPConnection) -> str | None:
    """The token that a browser sent; None also for two different ones, of which one was planted."""
    sent: dict[str, set[str]] = {COOKIE: set(), HOST_COOKIE: set()}
    for header in request.headers.getlist("cookie"):
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name in sent:
                sent[name].add(value.strip().strip('"'))
    tokens = sent[HOST_COOKIE] or sent[COOKIE]
    return next(iter(tokens)) if len(tokens) == 1 else None


def set_token(response: Response, token: str, request: HTTPConnection, settings: ApiSettings) -> None:
    """Have the browser keep the token as long as the session lasts."""
    secure = _secure(request, settings)
    response.set_cookie(
        HOST_COOKIE if secure else COOKIE,
        token,
        max_age=int(settings.api_session_hours * 3600),
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def clear_token(response: Response, request: HTTPConnection, settings: ApiSettings) -> None:
    """Have the browser forget the token."""
    secure = _secure(request, settings)
    response.delete_cookie(HOST_COOKIE if secure else COOKIE, path="/", secure=secure, httponly=True, samesite="strict")


def _secure(request: HTTPConnection, settings: ApiSettings) -> bool:
    if settings.api_secure_cookies == "auto":
        return request.url.scheme == "https"
    return settings.api_secure_cookies == "always"
