# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, infer_types=True
"""What `spans` does, compiled: finding and adding up what a window has of a history in chunks.

Of a key with many orders an order reads each window by several searches and sums over lists of a hundred numbers. In
Python the interpreter takes most of that time. What is rarer is left to the history.
"""

from cpython.array cimport array
from libc.stdint cimport int64_t

from decision_engine.history.large_history import Place


cdef struct Position:
    Py_ssize_t block
    Py_ssize_t chunk
    Py_ssize_t index


cdef class Span:
    """The orders of a history in (`since`, `time`], of which there must be some."""

    cdef object history
    cdef list blocks
    cdef int64_t since, time
    cdef Position first, end
    cdef readonly Py_ssize_t orders

    @property
    def since_first(self):
        """Microseconds since the first order."""
        return self.time - <int64_t>self.history.time_after(place(self.first))

    @property
    def since_last(self):
        """Microseconds since the last order."""
        return self.time - <int64_t>self.history.time_before(place(self.end))

    def total(self, Py_ssize_t column):
        """The sum of a column of totals."""
        before, totals = self.chunk_at(self.first)[column], self.chunk_at(self.end)[column]
        inside = totals[self.end.index] - totals[0] - (before[self.first.index] - before[0])
        low = <list>self.blocks[self.first.block].parts.sums[column]
        if self.first.block == self.end.block:
            return inside + sum(low[self.first.chunk : self.end.chunk])
        high = <list>self.blocks[self.end.block].parts.sums[column]
        between = <list>self.history.parts.sums[column]
        inside += sum(low[self.first.chunk :]) + sum(high[: self.end.chunk])
        return inside + sum(between[self.first.block + 1 : self.end.block])

    def least(self, column):
        """The least value of a column."""
        return self.history.least(column, place(self.first), place(self.end))

    def greatest(self, column):
        """The greatest value of a column."""
        return self.history.greatest(column, place(self.first), place(self.end))

    def distinct(self, column, int64_t window):
        """The number of different ids in a column; `window` is the length that was asked for."""
        if self.since > self.time - window:  # shortened by the horizon
            return self.history.distinct_between(column, place(self.first), place(self.end))
        return self.history.distinct(column, window, self.time)

    cdef int find(self) except -1:
        """Find the places at the ends and count the orders between them."""
        lasts = <list>self.history.parts.lasts
        self.locate(lasts, self.since, &self.first)
        self.locate(lasts, self.time, &self.end)
        self.orders = self.end.index - self.first.index
        low = <list>self.blocks[self.first.block].parts.sums[0]
        if self.first.block == self.end.block:
            self.orders += added_up(low, self.first.chunk, self.end.chunk)
            return 0
        self.orders += added_up(low, self.first.chunk, len(low))
        self.orders += added_up(<list>self.history.parts.sums[0], self.first.block + 1, self.end.block)
        self.orders += added_up(<list>self.blocks[self.end.block].parts.sums[0], 0, self.end.chunk)
        return 0

    cdef int locate(self, list lasts, int64_t time, Position *position) except -1:
        """Find the place after the last order that is not later than a time."""
        position.block = end_of(lasts, time)
        if position.block == len(lasts):
            position.block -= 1
            chunks = <list>self.blocks[position.block].chunks
            position.chunk = len(chunks) - 1
            position.index = len(<array>(<tuple>chunks[position.chunk])[0])
            return 0
        block = self.blocks[position.block]
        position.chunk = end_of(<list>block.parts.lasts, time)
        position.index = end_of_times(<array>(<tuple>(<list>block.chunks)[position.chunk])[0], time)
        return 0

    cdef inline tuple chunk_at(self, Position position):
        return <tuple>(<list>self.blocks[position.block].chunks)[position.chunk]


def find_span(history, int64_t since, int64_t time):
    """The orders of a history in (`since`, `time`]; None when there are none."""
    blocks = <list>history.blocks
    # A horizon can be later than the order.
    if not blocks or since >= time:
        return None
    cdef Span span = Span.__new__(Span)
    span.history, span.blocks, span.since, span.time = history, blocks, since, time
    span.find()
    return span if span.orders else None


cdef object place(Position position):
    return Place(position.block, position.chunk, position.index)


cdef Py_ssize_t added_up(list numbers, Py_ssize_t start, Py_ssize_t end) except -1:
    cdef Py_ssize_t found = 0, index
    for index in range(start, end):
        found += <Py_ssize_t>numbers[index]
    return found


cdef Py_ssize_t end_of(list times, int64_t time) except -1:
    """How many of the times, which are sorted, are not after a time."""
    cdef Py_ssize_t low = 0, high = len(times), middle
    while low < high:
        middle = (low + high) >> 1
        if <int64_t>times[middle] <= time:
            low = middle + 1
        else:
            high = middle
    return low


cdef Py_ssize_t end_of_times(array times, int64_t time) noexcept:
    """The same in a column of times."""
    cdef Py_ssize_t low = 0, high = len(times), middle
    entries = times.data.as_longlongs
    while low < high:
        middle = (low + high) >> 1
        if entries[middle] <= time:
            low = middle + 1
        else:
            high = middle
    return low
