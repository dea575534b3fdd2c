"""Whose page asks: browsers send a session along with what other pages make them ask, too."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from order_api.http.problems.rejections import CrossOrigin

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_MAX_SHOWN: Final = 100


def reject_cross_origin(request: HTTPConnection, trusted: Collection[str]) -> None:
    """Raises CrossOrigin when a page of another origin asks for a change.

    Browsers say so themselves, newer ones in Sec-Fetch-Site, all in Origin. A caller that sends neither is no browser,
    so nobody else makes it ask. SameSite keeps the cookie from other sites; this is for pages of the same site, too.
    """
    if request.scope["method"] in _SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    if origin is not None and origin in trusted:
        return
    site = request.headers.get("sec-fetch-site")
    if site is None:
        permitted = origin is None or _host(origin) == request.headers.get("host")
    else:
        permitted = site in {"same-origin", "none"}
    if not permitted:
        raise CrossOrigin(origin and origin[:_MAX_SHOWN])


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
