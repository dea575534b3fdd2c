"""Requests without a valid key, limited by the address that they come from and by the work that they cause."""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_api.authentication import is_valid_lately
from order_api.problems.answers import problem_response
from order_api.rate_limits import AddressLimits

# Probes and scrapers have no key, and must not fail because of what others behind their address do.
PROBE_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
# A request counts once, and once more for so many bytes of its body (which may be parsed) and of its response.
TAKEN_PER_UNIT: Final = 1_024
SENT_PER_UNIT: Final = 16_384
_UNKNOWN_LENGTH: Final = 65_536


class AddressLimit:
    """ASGI middleware: counts what was not authenticated, afterwards; refuses an address that has had its share.

    Keys and sessions that were valid lately are not refused, whatever else comes from their address. A refusal costs
    less than any other response, and ends the connection with all that was sent ahead on it.
    """

    def __init__(self, app: ASGIApp, limits: AddressLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBE_PATHS:
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else ""
        refusal = self._limits.refusal(address)
        if refusal is not None and not is_valid_lately(request := Request(scope)):
            response = problem_response(request, refusal)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        sent = 0

        async def counted_send(message: Message) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted_send)
        finally:
            if "caller" not in scope["state"]:
                units = 1 + _body_length(scope) // TAKEN_PER_UNIT + sent // SENT_PER_UNIT
                await self._limits.count(address, units)


def _body_length(scope: Scope) -> int:
    """Of the request, as announced: the server refuses what is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return min(int(value), _UNKNOWN_LENGTH)
        if name == b"transfer-encoding":
            return _UNKNOWN_LENGTH
    return 0
