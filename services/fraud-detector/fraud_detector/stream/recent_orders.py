"""Which orders were read last, so that a repeat of one is known before the store finds it. Pure."""

from collections import deque
from collections.abc import Collection
from typing import Final

MOST: Final = 100_000


class RecentOrders:
    """The ids of the latest orders, at most `most`: what is sent again mostly follows soon.

    They are those that this detector read, those of other detectors that it follows, and those that were stored before
    its histories were loaded. A detector has one, whatever ruleset decides: a repeat is one after a switch, too.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._ids: deque[str] = deque()
        self._known: set[str] | None = None

    def is_repeated(self, order_id: str) -> bool:
        """Whether an order was read before; from now on it was."""
        known = self._known
        if known is None:
            known = self._known = set(self._ids)
        if order_id in known:
            return True
        known.add(order_id)
        self._ids.append(order_id)
        if len(self._ids) > self.most:
            known.discard(self._ids.popleft())
        return False

    def add(self, order_id: str) -> None:
        """Note an order where it does not matter whether it is a repeat, in a tenth of the time."""
        if self._known is not None:
            self._ids = deque(each for each in self._ids if each in self._known)
            self._known = None
        self._ids.append(order_id)
        if len(self._ids) > self.most:
            self._ids.popleft()

    def note_stored(self, order_id: str) -> None:
        """Note an order that is stored, by this detector or another one."""
        if self._known is None:
            self.add(order_id)
        else:
            self.is_repeated(order_id)

    def forget(self, order_ids: Collection[str]) -> None:
        """Orders that were not stored: when they are read again, they are new."""
        if self._known is not None:
            self._known.difference_update(order_ids)
        elif order_ids:
            self._ids.clear()  # to find some takes longer than they are worth
