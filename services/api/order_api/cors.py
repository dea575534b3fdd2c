"""Pages of other origins that may ask: none, unless the settings name them."""

from collections.abc import Sequence
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS: Final = ("Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", "X-Request-ID")
# What a page may read of an answer besides its body.
ANSWER_HEADERS: Final = ("ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
PREFLIGHT_SECONDS: Final = 600


class CrossOriginPages(CORSMiddleware):
    """CORS for the origins that are named; pages of others get the same answers, which their browser keeps from them.

    The named ones may use a session, as far as browsers send its cookie along: to pages of the same site. Others of
    them use an API key.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            allow_credentials=True,
            expose_headers=ANSWER_HEADERS,
            max_age=PREFLIGHT_SECONDS,
        )
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = scope["type"] == "http" and any(
            name == b"origin" and value in self._origins for name, value in scope["headers"]
        )
        await (super().__call__ if named else self.app)(scope, receive, send)
