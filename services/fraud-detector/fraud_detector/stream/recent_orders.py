"""Which orders were read last, so that a repeat of one is known before the store finds it. Pure."""

from collections.abc import Collection
from typing import Final

from order_platform.latest_numbers import LatestNumbers

MOST: Final = 1_000_000


class RecentOrders:
    """The latest orders, at most `most` and at least half of them: what is sent again mostly follows soon.

    They are those that this detector read, those of other detectors that it follows, and those that were stored before
    its histories were loaded. A detector has one, whatever ruleset decides: a repeat is one after a switch, too.

    Of an order the hash of its id is kept, 64 bits. So one of 18 trillion new orders, where a million are known, is
    taken for a repeat.
    """

    def __init__(self, most: int = MOST) -> None:
        self._hashes = LatestNumbers(most)

    def is_repeated(self, order_id: str) -> bool:
        """Whether an order was read before; from now on it was."""
        return not self._hashes.add_new(hash(order_id))

    def note(self, order_id: str) -> None:
        """Note an order where it does not matter whether it is a repeat."""
        self._hashes.add(hash(order_id))

    def forget(self, order_ids: Collection[str]) -> None:
        """Orders that were not stored: when they are read again, they are new."""
        for order_id in order_ids:
            self._hashes.discard(hash(order_id))
