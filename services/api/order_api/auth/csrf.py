"""CSRF protection: browsers send a session's cookie also with requests that pages of other origins cause."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from order_api.http.problems.rejections import CrossOrigin

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_MAX_SHOWN: Final = 100


def reject_cross_origin(request: HTTPConnection, trusted: Collection[str]) -> None:
    """Raises CrossOrigin when a page of another origin requests a change.

    Newer browsers name the page's site in Sec-Fetch-Site, all its origin in Origin. A client that sends neither is not
    a browser, so no page causes its requests. SameSite keeps the cookie from other sites' changes; this is for pages of
    the same site, too.
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
