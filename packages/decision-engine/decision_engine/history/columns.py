"""Columns of a key's history: parallel arrays in the order of event time.

A history is a tuple of columns. The first holds times; then comes one for each `ColumnKind` that the features of the
key need. Columns are arrays of 64-bit integers, 8 bytes a value; a column whose values do not fit becomes a list.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, MutableSequence, Sequence
from enum import Enum

Column = MutableSequence[int]
History = tuple[Column, ...]


class ColumnKind(Enum):
    """What a column holds for each order."""

    TOTALS = "totals"
    """Running totals, with one more at the front: the sum of orders i to j is `totals[j] - totals[i]`."""
    VALUES = "values"
    """The values themselves."""
    IDS = "ids"
    """Identities, as `identity` gives them: which are equal is all that counts."""


Kinds = Sequence[ColumnKind]
"""The kinds of a history's columns after the times."""


def new_history(kinds: Kinds, time: int, values: Sequence[int]) -> History:
    """The history of one order: `values` holds one value for each column after the times."""
    columns = (
        _column((0, value) if kind is ColumnKind.TOTALS else (value,))
        for kind, value in zip(kinds, values, strict=True)
    )
    return (_column((time,)), *columns)


def insert(history: History, kinds: Kinds, index: int, time: int, values: Sequence[int]) -> History:
    """The history with an order inserted at an index; its columns are changed in place where the values fit."""
    columns = [
        _with_total(column, index, value) if kind is ColumnKind.TOTALS else _with_value(column, index, value)
        for column, kind, value in zip(history[1:], kinds, values, strict=True)
    ]
    history[0].insert(index, time)
    return (history[0], *columns)


def append_values(columns: Sequence[Column], kinds: Kinds, values: Sequence[int]) -> bool:
    """Append an order's values to the columns after the times; False, and nothing, when one takes more than 64 bits."""
    appended = 0
    totals = ColumnKind.TOTALS
    try:
        for column, kind, value in zip(columns, kinds, values, strict=True):
            column.append(column[-1] + value if kind is totals else value)
            appended += 1
    except OverflowError:
        for column in columns[:appended]:
            del column[-1]
        return False
    return True


def find(history: History, kinds: Kinds, time: int, values: Sequence[int]) -> int | None:
    """The index of an order with this time and these values; orders equal in both are the same to every feature.

    Found from the end of those with this time: what is taken back is mostly what was added last.
    """
    times = history[0]
    for index in range(bisect_right(times, time) - 1, -1, -1):
        if times[index] != time:
            break
        if all(
            _value_at(column, kind, index) == value
            for column, kind, value in zip(history[1:], kinds, values, strict=True)
        ):
            return index
    return None


def orders_of(history: History, kinds: Kinds) -> Iterator[tuple[int, list[int]]]:
    """The time and the values of each order."""
    for index, time in enumerate(history[0]):
        yield time, [_value_at(column, kind, index) for column, kind in zip(history[1:], kinds, strict=True)]


def delete(history: History, kinds: Kinds, index: int) -> None:
    """Delete the order at an index, in place."""
    for column, kind in zip(history[1:], kinds, strict=True):
        if kind is ColumnKind.TOTALS:
            value = _value_at(column, kind, index)
            later = [total - value for total in column[index + 2 :]]
            column[index + 1 :] = array("q", later) if isinstance(column, array) else later
        else:
            del column[index]
    del history[0][index]


def delete_first(history: History, count: int) -> None:
    """Delete the oldest orders, in place: running totals continue from where they are."""
    for column in history:
        del column[:count]


def split(history: History, kinds: Kinds, index: int) -> tuple[History, History]:
    """The orders before an index, and those from it on."""
    first, second = [history[0][:index]], [history[0][index:]]
    for column, kind in zip(history[1:], kinds, strict=True):
        first.append(column[: index + (kind is ColumnKind.TOTALS)])
        second.append(column[index:])
    return tuple(first), tuple(second)


def _value_at(column: Column, kind: ColumnKind, index: int) -> int:
    return column[index + 1] - column[index] if kind is ColumnKind.TOTALS else column[index]


def _column(values: Sequence[int]) -> Column:
    try:
        return array("q", values)
    except OverflowError:
        return list(values)


def _with_value(column: Column, index: int, value: int) -> Column:
    try:
        column.insert(index, value)
    except OverflowError:
        return [*column[:index], value, *column[index:]]
    return column


def _with_total(column: Column, index: int, value: int) -> Column:
    later = [column[index] + value, *(total + value for total in column[index + 1 :])]
    try:
        column[index + 1 :] = array("q", later) if isinstance(column, array) else later
    except OverflowError:
        base = column[0]
        return _column([total - base for total in (*column[: index + 1], *later)])
    return column
