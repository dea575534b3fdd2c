"""How much one caller may ask: so many requests a key, so many wrong keys an address; counted in this process."""

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from order_api.problems.refusals import TooManyGuesses, TooManyWithoutKey

# Addresses share this many counters, by a hash that changes with every start: however many addresses there are,
# counting them takes the same little memory.
ADDRESS_COUNTERS: Final = 4096


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
        """Raises TooManyGuesses when an address tried too many wrong keys lately."""
        if not await self._by_address.test(self._guesses, _counter(address)):
            reset_at, _ = await self._by_address.get_window_stats(self._guesses, _counter(address))
            raise TooManyGuesses(_seconds_until(reset_at))

    async def count_wrong_guess(self, address: str) -> None:
        """Count a wrong key that an address tried."""
        await self._by_address.hit(self._guesses, _counter(address))


class AddressLimits:
    """Counts the work of requests without a valid key by address, in a sliding window."""

    def __init__(self, work: RateLimitItem) -> None:
        self._work = work
        self._by_address = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._refused_until: dict[str, float] = {}  # by counter, so of bounded size

    def refusal(self, address: str) -> TooManyWithoutKey | None:
        """Why the address is refused now, None when it is not."""
        if not self._refused_until:
            return None
        counter = _counter(address)
        until = self._refused_until.get(counter)
        if until is None:
            return None
        if until > time.time():
            return TooManyWithoutKey(self._work.amount, self._work.get_expiry(), _seconds_until(until))
        del self._refused_until[counter]
        return None

    async def count(self, address: str, units: int) -> None:
        """Count a request that was answered; beyond the limit the address is refused until the window has room."""
        counter = _counter(address)
        if not await self._by_address.hit(self._work, counter, cost=min(units, self._work.amount)):
            self._refused_until[counter], _ = await self._by_address.get_window_stats(self._work, counter)


def _seconds_until(moment: float) -> int:
    return max(1, math.ceil(moment - time.time()))


def _counter(address: str) -> str:
    return str(hash(address) % ADDRESS_COUNTERS)
