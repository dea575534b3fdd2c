"""Outermost middleware: request ids, headers of all responses, metrics, and the log line of a failed request."""

import re
import secrets
import time
from typing import Final

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_api.http.metrics import ApiMetrics
from order_api.http.problems.availability import InternalError
from order_api.http.problems.handlers import problem_response
from order_api.http.problems.requests import ClientDisconnected

log = structlog.get_logger(__name__)

REQUEST_ID_HEADER: Final = b"x-request-id"
_GOOD_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
_HEADERS: Final = ((b"x-content-type-options", b"nosniff"),)


class RequestLogging:
    """ASGI middleware. A client's X-Request-ID is kept when it is a plain id, else one is made; responses carry it.

    `request.state.response_headers` takes what the response shall carry besides, whichever response it is.
    An exception that no handler knows ends here, as a 500 without internals, and in the log with its traceback.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        # Every line that is logged on behalf of this request names it.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response_headers = [(REQUEST_ID_HEADER, request_id.encode()), *_HEADERS]
        state["response_headers"] = response_headers
        status = 0

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *response_headers]
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            log.exception("request_failed", request_id=request_id, method=scope["method"], route=_route(scope))
            if status:
                raise  # half a response is out: only closing the connection tells the client
            await problem_response(Request(scope), InternalError())(scope, receive, send_observed)
        finally:
            self._record(scope, status or ClientDisconnected.status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route(scope)
        series = self._series.get((method, route, status))
        if series is None:
            # Methods, routes and statuses are closed sets, and so is what they make together.
            series = self._metrics.requests.labels(method, route, status), self._metrics.latency.labels(route)
            self._series[method, route, status] = series
        requests, latency = series
        requests.inc()
        latency.observe(seconds)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _GOOD_REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(16)


def _route(scope: Scope) -> str:
    """The route's template: paths hold ids, which have no place in metrics and logs."""
    return getattr(scope.get("route"), "path_format", NO_ROUTE)
