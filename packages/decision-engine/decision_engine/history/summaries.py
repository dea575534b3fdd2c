"""Summaries of the parts of a history: what a window needs of the parts that are inside it as a whole."""

from collections.abc import Sequence
from typing import NamedTuple

from decision_engine.history.columns import ColumnKind, History, Kinds


class Summary(NamedTuple):
    """One part: the time of its last order, and by column its sums and its extremes.

    The sum of column 0, which holds the times, is the number of orders.
    """

    last: int
    sums: dict[int, int]
    least: dict[int, int]
    greatest: dict[int, int]


class Summaries:
    """The summaries of consecutive parts, each kind of value in a list of its own.

    A sum over parts is `sum` of a slice: over a hundred of them that takes a microsecond, while running totals would
    have to be added up again after each late order.
    """

    __slots__ = ("greatest", "lasts", "least", "sums")

    def __init__(self, kinds: Kinds) -> None:
        totals = [column for column, kind in enumerate(kinds, 1) if kind is ColumnKind.TOTALS]
        values = [column for column, kind in enumerate(kinds, 1) if kind is ColumnKind.VALUES]
        self.lasts: list[int] = []
        self.sums: dict[int, list[int]] = {column: [] for column in (0, *totals)}
        self.least: dict[int, list[int]] = {column: [] for column in values}
        self.greatest: dict[int, list[int]] = {column: [] for column in values}

    def add(self, part: int, time: int, values: Sequence[int]) -> None:
        """A part has one order more."""
        self.lasts[part] = max(self.lasts[part], time)
        for column, sums in self.sums.items():
            sums[part] += values[column - 1] if column else 1
        for column, least in self.least.items():
            value, greatest = values[column - 1], self.greatest[column]
            least[part] = min(least[part], value)
            greatest[part] = max(greatest[part], value)

    def append(self, time: int, values: Sequence[int]) -> None:
        """The last part has one order more, which is the newest one."""
        self.lasts[-1] = time
        for column, sums in self.sums.items():
            sums[-1] += values[column - 1] if column else 1
        for column, least in self.least.items():
            value, greatest = values[column - 1], self.greatest[column]
            least[-1] = min(least[-1], value)
            greatest[-1] = max(greatest[-1], value)

    def insert(self, part: int, summary: Summary) -> None:
        """Insert a part."""
        self.lasts.insert(part, summary.last)
        for mine, theirs in self._lists(summary):
            for column, entries in mine.items():
                entries.insert(part, theirs[column])

    def replace(self, part: int, summary: Summary) -> None:
        """A part has other orders now."""
        self.delete(part)
        self.insert(part, summary)

    def delete(self, part: int) -> None:
        """Delete a part."""
        del self.lasts[part]
        for lists in (self.sums, self.least, self.greatest):
            for entries in lists.values():
                del entries[part]

    def total(self) -> Summary:
        """The summary of all parts together."""
        return Summary(
            self.lasts[-1],
            {column: sum(sums) for column, sums in self.sums.items()},
            {column: min(least) for column, least in self.least.items()},
            {column: max(greatest) for column, greatest in self.greatest.items()},
        )

    def _lists(self, summary: Summary) -> Sequence[tuple[dict[int, list[int]], dict[int, int]]]:
        return (self.sums, summary.sums), (self.least, summary.least), (self.greatest, summary.greatest)


def summary_of(history: History, kinds: Kinds) -> Summary:
    """The summary of the orders in some columns."""
    by_kind = {
        kind: [(column, history[column]) for column, each in enumerate(kinds, 1) if each is kind] for kind in ColumnKind
    }
    return Summary(
        history[0][-1],
        {0: len(history[0])} | {column: totals[-1] - totals[0] for column, totals in by_kind[ColumnKind.TOTALS]},
        {column: min(values) for column, values in by_kind[ColumnKind.VALUES]},
        {column: max(values) for column, values in by_kind[ColumnKind.VALUES]},
    )
