"""Rate limit of requests without a valid key, by their address and the work that they cause."""

import math
import time
from collections.abc import Callable
from typing import Final

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_api.http.problems.handlers import problem_response
from order_api.http.problems.rejections import TooManyWithoutKey

# Probes and scrapers have no key, and must not fail because of what others behind their address do.
PROBE_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
# A request counts once, and once more for so many bytes of its body (which may be parsed) and of its response.
TAKEN_PER_UNIT: Final = 1_024
SENT_PER_UNIT: Final = 16_384
_UNKNOWN_LENGTH: Final = 65_536
# Addresses share this many counters, by a hash that changes with every start: however many addresses there are,
# counting them takes the same little memory.
ADDRESS_COUNTERS: Final = 4096


class AddressLimits:
    """Counts the work of requests without a valid key by address, in a sliding window."""

    def __init__(self, work: RateLimitItem) -> None:
        self._work = work
        self._by_address = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._refused_until: dict[str, float] = {}  # by counter, so of bounded size

    def rejection(self, address: str) -> TooManyWithoutKey | None:
        """Why the address is refused now, None when it is not."""
        if not self._refused_until:
            return None
        counter = address_counter(address)
        until = self._refused_until.get(counter)
        if until is None:
            return None
        if until > time.time():
            return TooManyWithoutKey(self._work.amount, self._work.get_expiry(), seconds_until(until))
        del self._refused_until[counter]
        return None

    async def count(self, address: str, units: int) -> None:
        """Count a request that was answered; beyond the limit the address is refused until the window has room."""
        counter = address_counter(address)
        if not await self._by_address.hit(self._work, counter, cost=min(units, self._work.amount)):
            self._refused_until[counter], _ = await self._by_address.get_window_stats(self._work, counter)


class AddressLimit:
    """ASGI middleware: counts what was not authenticated, afterwards; rejects an address that has had its share.

    Keys and sessions that were valid recently are not rejected, whatever else comes from their address. A rejection
    costs less than any other response, and ends the connection with all that was sent ahead on it.
    """

    def __init__(self, app: ASGIApp, limits: AddressLimits, is_exempt: Callable[[Request], bool]) -> None:
        self._app = app
        self._is_exempt = is_exempt
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBE_PATHS:
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else ""
        rejection = self._limits.rejection(address)
        if rejection is not None and not self._is_exempt(request := Request(scope)):
            response = problem_response(request, rejection)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        sent = 0

        async def send_counted(message: Message) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            if "principal" not in scope["state"]:
                units = 1 + _body_length(scope) // TAKEN_PER_UNIT + sent // SENT_PER_UNIT
                await self._limits.count(address, units)


def _body_length(scope: Scope) -> int:
    """The length of the request's body in its head: the server rejects what is not a number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return min(int(value), _UNKNOWN_LENGTH)
        if name == b"transfer-encoding":
            return _UNKNOWN_LENGTH
    return 0


def seconds_until(moment: float) -> int:
    """Whole seconds until a moment, at least one."""
    return max(1, math.ceil(moment - time.time()))


def address_counter(address: str) -> str:
    """The counter of an address."""
    return str(hash(address) % ADDRESS_COUNTERS)
