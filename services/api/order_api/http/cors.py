"""CORS: the origins whose pages may call the API, none unless the settings name them."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from order_api.http.problems.handlers import problem_response
from order_api.http.problems.rejections import PreflightRefused

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS: Final = ("Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", "X-Request-ID")
# What a page may read of a response besides its body.
ANSWER_HEADERS: Final = ("ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
PREFLIGHT_SECONDS: Final = 600


class TrustedOriginCors(CORSMiddleware):
    """Starlette's CORS for the origins that are named, with rejected preflights as problems.

    Pages of other origins get the same responses, which their browser keeps from them.

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
        if not named:
            await self.app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in (headers := Headers(scope=scope)):
            await self._preflight(Request(scope), headers)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _preflight(self, request: Request, headers: Headers) -> Response:
        response = self.preflight_response(headers)
        if response.status_code != PreflightRefused.status:
            return response
        return problem_response(request, PreflightRefused(bytes(response.body).decode()))
