"""Session tokens, stored as their hashes like keys, and the cookie that carries one.

Scripts cannot read the cookie, and browsers do not send it along from other sites.
"""

import re
import secrets
from typing import Final, Literal, NamedTuple

from starlette.requests import HTTPConnection
from starlette.responses import Response

# As with keys: 256 random bits, which cannot be guessed.
SECRET_BYTES = 32
_TOKEN = re.compile(r"ows_[0-9a-f]{64}")


def new_token() -> str:
    """A new random token."""
    return f"ows_{secrets.token_hex(SECRET_BYTES)}"


def looks_like_token(text: str) -> bool:
    """Whether `text` has a token's form: anything else needs no look-up."""
    return _TOKEN.fullmatch(text) is not None


COOKIE: Final = "orderwatch_session"
# Over HTTPS: browsers take a cookie of this prefix from the API's own host alone, not from a page of a sibling domain.
HOST_COOKIE: Final = f"__Host-{COOKIE}"


class CookieSettings(NamedTuple):
    """How long a session lasts, and whether its cookie is for HTTPS only."""

    hours: float
    secure: Literal["auto", "always", "never"]


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


def set_token(response: Response, token: str, request: HTTPConnection, cookies: CookieSettings) -> None:
    """Have the browser keep the token as long as the session lasts."""
    secure = is_secure(request, cookies)
    response.set_cookie(
        HOST_COOKIE if secure else COOKIE,
        token,
        max_age=int(cookies.hours * 3600),
        path="/",
        secure=secure,
        httponly=True,
        # Pages are opened from links that colleagues send; what changes something is checked in csrf.py.
        samesite="lax",
    )


def clear_token(response: Response, request: HTTPConnection, cookies: CookieSettings) -> None:
    """Have the browser forget the token."""
    secure = is_secure(request, cookies)
    response.delete_cookie(HOST_COOKIE if secure else COOKIE, path="/", secure=secure, httponly=True, samesite="lax")


def is_secure(request: HTTPConnection, cookies: CookieSettings) -> bool:
    """Whether cookies for a request are for HTTPS only."""
    return request.url.scheme == "https" if cookies.secure == "auto" else cookies.secure == "always"
