"""History of a key with many orders: chunks of columns, so that a late order moves a chunk rather than everything."""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain

from decision_engine.history.columns import (
    ColumnKind,
    History,
    Kinds,
    delete,
    delete_first,
    find,
    insert,
    new_history,
    split,
)
from decision_engine.history.last_seen import LastSeen

Place = tuple[int, int]
"""A position between two orders: the chunk, and the index in it."""


class LargeHistory:
    """The orders of one key in the order of event time, in chunks.

    A window's sum takes a bisection among chunks and one inside a chunk; a minimum looks at one value for each chunk
    besides the orders of the two chunks at its ends.
    """

    __slots__ = ("_chunk", "_chunks", "_counts", "_extremes", "_kinds", "_lasts", "_seen", "_totals", "_valid")

    def __init__(self, kinds: Kinds, chunk: int) -> None:
        self._kinds = kinds
        self._chunk = chunk
        self._chunks: list[History] = []
        self._lasts: list[int] = []
        self._extremes: dict[int, list[tuple[int, int]]] = {
            column: [] for column, kind in enumerate(kinds, 1) if kind is ColumnKind.VALUES
        }
        self._seen = {column: LastSeen() for column, kind in enumerate(kinds, 1) if kind is ColumnKind.IDS}
        # Before each chunk: the number of orders, and the sum of each column of totals; right up to chunk `_valid`.
        self._counts: list[int] = [0]
        self._totals: dict[int, list[int]] = {
            column: [0] for column, kind in enumerate(kinds, 1) if kind is ColumnKind.TOTALS
        }
        self._valid = 0

    @classmethod
    def of(cls, history: History, kinds: Kinds, chunk: int) -> "LargeHistory":
        """The orders of a short history."""
        return cls.of_chunks([history], kinds, chunk)

    @classmethod
    def of_chunks(cls, chunks: Iterable[History], kinds: Kinds, chunk: int) -> "LargeHistory":
        """The orders of consecutive chunks, the oldest first."""
        large = cls(kinds, chunk)
        for number, history in enumerate(chunks):
            large._insert_chunk(number, history)
        for column, seen in large._seen.items():
            pairs = (zip(history[column], history[0], strict=True) for history in large._chunks)
            seen.fill(chain.from_iterable(pairs))
        return large

    def __len__(self) -> int:
        return sum(len(chunk[0]) for chunk in self._chunks)

    def end_of(self, time: int) -> Place:
        """The place after the last order that is not later than `time`."""
        chunk = bisect_right(self._lasts, time)
        if chunk == len(self._chunks):
            return chunk - 1, len(self._chunks[-1][0])
        return chunk, bisect_right(self._chunks[chunk][0], time)

    def time_after(self, place: Place) -> int:
        """The time of the first order after a place."""
        chunk, index = place
        if index == len(self._chunks[chunk][0]):
            chunk, index = chunk + 1, 0
        return self._chunks[chunk][0][index]

    def time_before(self, place: Place) -> int:
        """The time of the last order before a place."""
        chunk, index = place
        if index == 0:
            chunk, index = chunk - 1, len(self._chunks[chunk - 1][0])
        return self._chunks[chunk][0][index - 1]

    def count(self, first: Place, end: Place) -> int:
        """The number of orders between two places."""
        self._refresh(end[0])
        return self._counts[end[0]] + end[1] - self._counts[first[0]] - first[1]

    def total(self, column: int, first: Place, end: Place) -> int:
        """The sum of a column of totals between two places."""
        self._refresh(end[0])
        before = self._totals[column]
        return before[end[0]] + self._inside(column, end) - before[first[0]] - self._inside(column, first)

    def extremes(self, column: int, first: Place, end: Place) -> tuple[int, int]:
        """The least and the greatest value of a column between two places, which must not be the same."""
        (low, start), (high, stop) = first, end
        if low == high:
            values = self._chunks[low][column][start:stop]
            return min(values), max(values)
        inner = self._extremes[column][low + 1 : high]
        ends = [*self._chunks[low][column][start:], *self._chunks[high][column][:stop]]
        return min([*ends, *(least for least, _ in inner)]), max([*ends, *(greatest for _, greatest in inner)])

    def distinct(self, column: int, after: int, time: int) -> int:
        """The number of different ids in a column, of orders in (`after`, `time`]."""
        return self._seen[column].distinct(after, time)

    def add(self, time: int, values: Sequence[int]) -> None:
        """Add an order, at its own time."""
        if not self._chunks:
            self._insert_chunk(0, new_history(self._kinds, time, values))
        else:
            self._insert(time, values)
        for column, seen in self._seen.items():
            seen.add(values[column - 1], time)

    def _insert(self, time: int, values: Sequence[int]) -> None:
        chunk, index = self.end_of(time)
        history = insert(self._chunks[chunk], self._kinds, index, time, values)
        if len(history[0]) < 2 * self._chunk:
            self._chunks[chunk], self._lasts[chunk] = history, history[0][-1]
            for column, extremes in self._extremes.items():
                value, (least, greatest) = values[column - 1], extremes[chunk]
                extremes[chunk] = min(least, value), max(greatest, value)
        else:
            self._delete_chunk(chunk)
            for part in reversed(split(history, self._kinds, self._chunk)):
                self._insert_chunk(chunk, part)
        self._valid = min(self._valid, chunk)

    def remove(self, time: int, values: Sequence[int]) -> bool:
        """Remove an order with this time and these values; False when there is none."""
        for chunk in range(min(bisect_right(self._lasts, time), len(self._chunks) - 1), -1, -1):
            history = self._chunks[chunk]
            if history[0][-1] < time:
                break
            index = find(history, self._kinds, time, values)
            if index is not None:
                delete(history, self._kinds, index)
                self._delete_chunk(chunk)
                if history[0]:
                    self._insert_chunk(chunk, history)
                for column, seen in self._seen.items():
                    seen.remove(values[column - 1], time)
                return True
        return False

    def forget(self, time: int) -> None:
        """Delete the orders that are not later than `time`."""
        while self._chunks and self._lasts[0] <= time:
            self._delete_chunk(0)
        if self._chunks:
            history = self._chunks[0]
            count = bisect_right(history[0], time)
            if count:
                delete_first(history, count)
                self._delete_chunk(0)
                self._insert_chunk(0, history)
        for seen in self._seen.values():
            seen.forget(time)

    @property
    def oldest(self) -> int:
        """The time of the first order."""
        return self._chunks[0][0][0]

    def size(self) -> int:
        """About how many bytes it takes."""
        return sum(sys.getsizeof(column) for chunk in self._chunks for column in chunk) + sum(
            seen.size() for seen in self._seen.values()
        )

    def chunks(self) -> Sequence[History]:
        """The columns, chunk by chunk."""
        return self._chunks

    def _insert_chunk(self, chunk: int, history: History) -> None:
        self._chunks.insert(chunk, history)
        self._lasts.insert(chunk, history[0][-1])
        for column, extremes in self._extremes.items():
            extremes.insert(chunk, (min(history[column]), max(history[column])))
        self._valid = min(self._valid, chunk)

    def _delete_chunk(self, chunk: int) -> None:
        del self._chunks[chunk], self._lasts[chunk]
        for extremes in self._extremes.values():
            del extremes[chunk]
        self._valid = min(self._valid, chunk)

    def _inside(self, column: int, place: Place) -> int:
        """The sum of a column of totals before a place, inside its chunk."""
        totals = self._chunks[place[0]][column]
        return totals[place[1]] - totals[0]

    def _refresh(self, chunk: int) -> None:
        """Add up what is before each chunk, up to a chunk."""
        if chunk <= self._valid:
            return
        start = self._valid
        chunks = self._chunks[start:chunk]
        self._counts[start:] = accumulate((len(each[0]) for each in chunks), initial=self._counts[start])
        for column, before in self._totals.items():
            sums = (each[column][-1] - each[column][0] for each in chunks)
            before[start:] = accumulate(sums, initial=before[start])
        self._valid = chunk


class CurrencyHistories:
    """The orders of one key in several currencies: all of them, and those of each currency."""

    __slots__ = ("_chunk", "_kinds", "by_currency", "orders")

    def __init__(
        self,
        kinds: Kinds,
        chunk: int,
        orders: LargeHistory | None = None,
        by_currency: Mapping[str, LargeHistory] | None = None,
    ) -> None:
        self._kinds = kinds
        self._chunk = chunk
        self.orders = orders or LargeHistory(kinds, chunk)
        self.by_currency = dict(by_currency or {})

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

    def forget(self, time: int) -> None:
        """Delete the orders that are not later than `time`."""
        self.orders.forget(time)
        for currency, own in list(self.by_currency.items()):
            own.forget(time)
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
