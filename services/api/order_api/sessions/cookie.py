"""The cookie that carries a session's token: out of reach for scripts, and not sent along from other sites."""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from order_api.settings import ApiSettings

COOKIE: Final = "orderwatch_session"


def read_token(request: HTTPConnection) -> str | None:
    """The token that a browser sent."""
    return request.cookies.get(COOKIE)


def set_token(response: Response, token: str, request: HTTPConnection, settings: ApiSettings) -> None:
    """Have the browser keep the token as long as the session lasts."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(settings.api_session_hours * 3600),
        path="/",
        secure=_secure(request, settings),
        httponly=True,
        samesite="strict",
    )


def clear_token(response: Response, request: HTTPConnection, settings: ApiSettings) -> None:
    """Have the browser forget the token."""
    response.delete_cookie(COOKIE, path="/", secure=_secure(request, settings), httponly=True, samesite="strict")


def _secure(request: HTTPConnection, settings: ApiSettings) -> bool:
    if settings.api_secure_cookies == "auto":
        return request.url.scheme == "https"
    return settings.api_secure_cookies == "always"
