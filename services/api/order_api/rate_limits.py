"""How much one caller may ask: so many requests a key, so many wrong keys an address; counted in this process."""

import math
import time
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


class RateLimits:
    """Counts requests by key and guesses by address, in sliding windows."""

    def __init__(self, requests: RateLimitItem, guesses: RateLimitItem) -> None:
        self._requests = requests
        self._guesses = guesses
        # One storage each: a storage looks through all its counters from time to time.
        self._by_key = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._by_address = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count_request(self, key_id: str) -> Allowance:
        """Count a request of a key."""
        permitted = await self._by_key.hit(self._requests, key_id)
        reset_at, remaining = await self._by_key.get_window_stats(self._requests, key_id)
        return Allowance(
            permitted, self._requests.amount, self._requests.get_expiry(), remaining, _seconds_until(reset_at)
        )

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
