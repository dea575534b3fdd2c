"""History of a key whose orders are in several currencies: money is added up within one of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from decision_engine.history.columns import Kinds
from decision_engine.history.large_history import LargeHistory


class CurrencyHistories:
    """The orders of one key in several currencies: all of them, and those of each currency.

    Different ids are counted over all orders.
    """

    __slots__ = ("_chunk", "_kinds", "by_currency", "orders")

    def __init__(
        self,
        kinds: Kinds,
        chunk: int,
        orders: LargeHistory,
        by_currency: Mapping[str, LargeHistory] | None = None,
    ) -> None:
        self._kinds = kinds
        self._chunk = chunk
        self.orders = orders
        self.by_currency = dict(by_currency or {})

    @classmethod
    def empty(cls, kinds: Kinds, chunk: int, windows: Mapping[int, Collection[int]]) -> "CurrencyHistories":
        """No orders; `windows` are those of `LargeHistory`."""
        return cls(kinds, chunk, LargeHistory(kinds, chunk, windows))

    def add(self, currency: str, time: int, values: Sequence[int]) -> None:
        """Add an order, at its own time."""
        self.orders.add(time, values)
        if currency not in self.by_currency:
            self.by_currency[currency] = LargeHistory(self._kinds, self._chunk)
        self.by_currency[currency].add(time, values)

    def remove(self, currency: str, time: int, values: Sequence[int]) -> bool:
        """Remove an order with this time and these values; False when there is none."""
        own = self.by_currency.get(currency)
        return own is not None and own.remove(time, values) and self.orders.remove(time, values)

    def forget(self, time: int) -> Iterator[None]:
        """Delete the orders that are not later than `time`; yields as `LargeHistory.forget` does."""
        yield from self.orders.forget(time)
        for currency, own in list(self.by_currency.items()):
            yield from own.forget(time)
            if not len(own):
                del self.by_currency[currency]

    @property
    def oldest(self) -> int:
        """The time of the first order."""
        return self.orders.oldest

    def size(self) -> int:
        """About how many bytes it takes."""
        return self.orders.size() + sum(own.size() for own in self.by_currency.values())

    def __len__(self) -> int:
        return len(self.orders)
