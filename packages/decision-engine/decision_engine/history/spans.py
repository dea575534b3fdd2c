"""Spans: what a window has of a history in chunks, by compiled code where there is some."""

from typing import Final

from decision_engine.history.large_history import LargeHistory
from order_contract.compiled_modules import require_current

try:
    from decision_engine.history import compiled_spans
except ImportError:
    compiled_spans = None  # type: ignore[assignment]
else:
    require_current(compiled_spans)


class Span:
    """The orders of a history in (`since`, `time`], of which there must be some."""

    __slots__ = ("_end", "_first", "_history", "_since", "_time", "orders")

    def __init__(self, history: LargeHistory, since: int, time: int) -> None:
        self._history = history
        self._since = since
        self._time = time
        self._first = history.end_of(since)
        self._end = history.end_of(time)
        self.orders = history.count(self._first, self._end)
        """How many there are."""

    @property
    def since_first(self) -> int:
        """Microseconds since the first order."""
        return self._time - self._history.time_after(self._first)

    @property
    def since_last(self) -> int:
        """Microseconds since the last order."""
        return self._time - self._history.time_before(self._end)

    def total(self, column: int) -> int:
        """The sum of a column of totals."""
        return self._history.total(column, self._first, self._end)

    def least(self, column: int) -> int:
        """The least value of a column."""
        return self._history.least(column, self._first, self._end)

    def greatest(self, column: int) -> int:
        """The greatest value of a column."""
        return self._history.greatest(column, self._first, self._end)

    def distinct(self, column: int, window: int) -> int:
        """The number of different ids in a column; `window` is the length that was asked for."""
        if self._since > self._time - window:  # shortened by the horizon
            return self._history.distinct_between(column, self._first, self._end)
        return self._history.distinct(column, window, self._time)


def find_span(history: LargeHistory, since: int, time: int) -> Span | None:
    """The orders of a history in (`since`, `time`]; None when there are none."""
    # A horizon can be later than the order.
    if not history or since >= time:
        return None
    span = Span(history, since, time)
    return span if span.orders else None


SPANS_ARE_COMPILED: Final = compiled_spans is not None
fastest_find_span: Final = compiled_spans.find_span if SPANS_ARE_COMPILED else find_span
