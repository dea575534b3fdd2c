"""Sets of 64-bit numbers: compiled ones, in a fifth of the memory, where there are some."""

from collections.abc import Callable
from typing import Final, Protocol

from order_contract.compiled_modules import require_current

try:
    from order_platform import compact_numbers
except ImportError:
    compact_numbers = None  # type: ignore[assignment]
else:
    require_current(compact_numbers)


class NumberSet(Protocol):
    """What a `set[int]` does, for signed numbers of 64 bits."""

    def __len__(self) -> int: ...

    def __contains__(self, number: int, /) -> bool: ...

    def add(self, number: int, /) -> None:
        """Add a number."""

    def discard(self, number: int, /) -> None:
        """Remove a number if it is there."""


NUMBERS_ARE_COMPILED: Final = compact_numbers is not None

number_set: Final[Callable[[], NumberSet]] = compact_numbers.NumberSet if NUMBERS_ARE_COMPILED else set[int]
"""Makes an empty set. Its numbers should be spread, as hashes are: a compiled one is slow when their low bits agree."""
