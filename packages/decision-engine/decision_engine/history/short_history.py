"""The history of a key with few orders: one array of 64-bit integers that holds its columns, one after another.

Most keys have a handful of orders, for which an array of each column would take more memory than what it holds.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from decision_engine.history.columns import ColumnKind, History, Kinds

LARGEST: Final = 2**63 - 1
"""The largest integer that an array holds."""


def totals_before(kinds: Kinds, column: int) -> int:
    """How many columns of running totals are before a column: each has one entry more than there are orders."""
    return sum(kind is ColumnKind.TOTALS for kind in kinds[: column - 1])


def count_orders(history: Sequence[int], kinds: Kinds) -> int:
    """The number of orders."""
    return (len(history) - totals_before(kinds, len(kinds) + 1)) // (len(kinds) + 1)


def unpack(history: "array[int]", kinds: Kinds) -> History:
    """The columns, each on its own."""
    count = count_orders(history, kinds)
    columns, start = [history[:count]], count
    for kind in kinds:
        end = start + count + (kind is ColumnKind.TOTALS)
        columns.append(history[start:end])
        start = end
    return tuple(columns)


def pack(columns: History) -> "array[int] | None":
    """The columns as a short history; None when one has values that do not fit into 64 bits."""
    packed = array("q")
    for column in columns:
        if not isinstance(column, array):
            return None
        packed.extend(column)
    return packed


def insert_late(history: "array[int]", kinds: Kinds, time: int, values: Sequence[int]) -> None:
    """Insert an order that is not the newest, in place; the column's new totals must fit into 64 bits."""
    count = count_orders(history, kinds)
    index = bisect_right(history, time, 0, count)
    # From the last column to the first, so that each insertion leaves the places of the next ones as they are.
    end = len(history)
    for kind, value in zip(reversed(kinds), reversed(values), strict=True):
        start = end - count - (kind is ColumnKind.TOTALS)
        if kind is ColumnKind.TOTALS:
            later = [total + value for total in history[start + index : end]]
            history[start + index + 1 : end] = array("q", later)
        else:
            history.insert(start + index, value)
        end = start
    history.insert(index, time)
