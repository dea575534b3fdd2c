"""The latest of many 64-bit numbers, by compiled code in a fifth of the memory, or by sets of Python."""

from typing import Final

from order_contract.compiled_modules import require_current

try:
    from order_platform import compact_numbers
except ImportError:
    compact_numbers = None  # type: ignore[assignment]
else:
    require_current(compact_numbers)


class PlainLatestNumbers:
    """The latest numbers that were added, at most `most` and at least half of them; signed ones of 64 bits."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._latest = set[int]()
        self._earlier = set[int]()

    def add(self, number: int) -> None:
        """Make a number one of the latest."""
        if len(self._latest) >= self._half:
            self._earlier, self._latest = self._latest, set()
        self._latest.add(number)

    def add_new(self, number: int) -> bool:
        """Add a number unless it is there; whether it was not."""
        if number in self._latest or number in self._earlier:
            return False
        self.add(number)
        return True

    def discard(self, number: int) -> None:
        """Remove a number if it is there."""
        self._latest.discard(number)
        self._earlier.discard(number)


NUMBERS_ARE_COMPILED: Final = compact_numbers is not None

LatestNumbers: Final = compact_numbers.LatestNumbers if NUMBERS_ARE_COMPILED else PlainLatestNumbers
"""The numbers should be spread, as hashes are: compiled code is slow when their low bits agree."""
