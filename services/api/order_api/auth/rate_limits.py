"""Rate limits, counted in this process: requests per key, and wrong keys per address."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from order_api.http.address_limit import address_counter, seconds_until
from order_api.http.problems.rejections import TooManyGuesses


class Allowance(NamedTuple):
    """Whether a request is within its limit of so many in so many seconds, what is left, and when there is more."""

    permitted: bool
    limit: int
    window: int
    remaining: int
    reset: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As `RateLimit-Policy` and `RateLimit`, which an IETF draft defines."""
        return [
            (b"ratelimit-policy", b'"key";q=%d;w=%d' % (self.limit, self.window)),
            (b"ratelimit", b'"key";r=%d;t=%d' % (self.remaining, self.reset)),
        ]


class SlidingWindow:
    """Counts by name in sliding windows: the share of the window before that is still in, and the present one.

    One step for each request, where package limits takes four: a twentieth of the time of an order look-up.
    """

    def __init__(self, limit: int, seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._window = 0
        self._before: dict[str, int] = {}
        self._present: dict[str, int] = {}

    def hit(self, name: str) -> Allowance:
        """Count one, unless the limit is reached."""
        window, within = divmod(self._clock(), self._seconds)
        if window != self._window:
            self._before = self._present if window == self._window + 1 else {}
            self._present = {}
            self._window = int(window)
        before, present = self._before.get(name, 0), self._present.get(name, 0)
        left = self._seconds - within
        # Rounded down, so that a limit is not reached before so many requests were sent.
        used = int(before * left / self._seconds) + present
        permitted = used < self._limit
        if permitted:
            self._present[name] = present + 1
            used += 1
        # When the next is permitted: as the window before goes out one by one, or with the end of the present one.
        wait = left if permitted or not before else min(left, self._seconds / before)
        return Allowance(permitted, self._limit, self._seconds, max(self._limit - used, 0), max(1, math.ceil(wait)))


class RateLimits:
    """Counts requests by key and guesses by address, in sliding windows."""

    def __init__(self, requests: RateLimitItem, guesses: RateLimitItem) -> None:
        self._guesses = guesses
        self._by_key = SlidingWindow(requests.amount, requests.get_expiry())
        self._by_address = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count_request(self, key_id: str) -> Allowance:
        """Count a request of a key."""
        return self._by_key.hit(key_id)

    async def admit_guess(self, address: str) -> None:
        """Raises TooManyGuesses when an address tried too many wrong keys recently."""
        if not await self._by_address.test(self._guesses, address_counter(address)):
            reset_at, _ = await self._by_address.get_window_stats(self._guesses, address_counter(address))
            raise TooManyGuesses(seconds_until(reset_at))

    async def count_wrong_guess(self, address: str) -> None:
        """Count a wrong key that an address tried."""
        await self._by_address.hit(self._guesses, address_counter(address))
