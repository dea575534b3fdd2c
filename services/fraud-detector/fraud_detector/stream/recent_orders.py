"""Which orders were read last, so that a repeat of one is known before the store finds it. Pure."""

from collections.abc import Collection
from typing import Final

from order_platform.number_set import number_set

MOST: Final = 1_000_000


class RecentOrders:
    """The latest orders, at most `most` and at least half of them: what is sent again mostly follows soon.

    They are those that this detector read, those of other detectors that it follows, and those that were stored before
    its histories were loaded. A detector has one, whatever ruleset decides: a repeat is one after a switch, too.

    Of an order the hash of its id is kept, 64 bits. So one of 18 trillion new orders, where a million are known, is
    taken for a repeat.
    """

    def __init__(self, most: int = MOST) -> None:
        self._half = most // 2
        self._latest = number_set()
        self._earlier = number_set()

    def is_repeated(self, order_id: str) -> bool:
        """Whether an order was read before; from now on it was."""
        key = hash(order_id)
        if key in self._latest or key in self._earlier:
            return True
        self._add(key)
        return False

    def note(self, order_id: str) -> None:
        """Note an order where it does not matter whether it is a repeat."""
        self._add(hash(order_id))

    def forget(self, order_ids: Collection[str]) -> None:
        """Orders that were not stored: when they are read again, they are new."""
        for order_id in order_ids:
            self._latest.discard(hash(order_id))
            self._earlier.discard(hash(order_id))

    def _add(self, key: int) -> None:
        if len(self._latest) >= self._half:
            self._earlier, self._latest = self._latest, number_set()
        self._latest.add(key)
