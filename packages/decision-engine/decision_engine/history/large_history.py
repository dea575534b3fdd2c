"""History of a key with many orders: blocks of chunks of columns, so that a late order costs no more than another."""

import sys
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableSequence, Sequence
from itertools import chain
from typing import Final, NamedTuple

from decision_engine.history.columns import (
    History,
    Kinds,
    append_values,
    delete,
    delete_first,
    find,
    insert,
    new_history,
    split,
)
from decision_engine.history.presence import Presence
from decision_engine.history.summaries import Summaries, summary_of

CHUNK: Final = 64
"""Orders of a chunk, and chunks of a block: from as many on, to twice as many."""


BYTES_OF_PARTS: Final = 150
BYTES_OF_PARTS_COLUMN: Final = 400
BYTES_OF_CHUNK_COLUMN: Final = 70
"""A history or block with the summaries of its parts, and each column of these; each column of a chunk; measured."""


class Place(NamedTuple):
    """A position between two orders: the block, the chunk in it, and the position in that."""

    block: int
    chunk: int
    position: int


class Block:
    """Consecutive chunks, with their summaries."""

    __slots__ = ("chunks", "parts")

    def __init__(self, kinds: Kinds, chunks: Iterable[History]) -> None:
        self.chunks = list(chunks)
        self.parts = Summaries(kinds)
        for number, history in enumerate(self.chunks):
            self.parts.insert(number, summary_of(history, kinds))


class LargeHistory:
    """The orders of one key in the order of event time, in chunks of `chunk` orders or more.

    `windows` are the lengths for which different ids are counted, by column. What a window needs is added up from the
    orders of the chunks at its ends, the summaries of the chunks beside them and those of the blocks in between: of a
    million orders a few hundred numbers, and an order changes one number in each of the three.
    """

    __slots__ = ("_chunk", "_kinds", "_presence", "blocks", "parts")

    def __init__(self, kinds: Kinds, chunk: int = CHUNK, windows: Mapping[int, Collection[int]] | None = None) -> None:
        self._kinds = kinds
        self._chunk = min(chunk, CHUNK)
        self.blocks: list[Block] = []
        self.parts = Summaries(kinds)
        self._presence = {column: Presence(lengths) for column, lengths in (windows or {}).items()}

    @classmethod
    def of_chunks(
        cls, chunks: Iterable[History], kinds: Kinds, chunk: int, windows: Mapping[int, Collection[int]] | None = None
    ) -> "LargeHistory":
        """The orders of consecutive chunks, the oldest first."""
        large = cls(kinds, chunk, windows)
        parts = list(chain.from_iterable(large._parts_of(history) for history in chunks))
        for number, start in enumerate(range(0, len(parts), large._chunk)):
            large._insert_block(number, parts[start : start + large._chunk])
        for column, presence in large._presence.items():
            presence.fill(chain.from_iterable(zip(part[column], part[0], strict=True) for part in parts))
        return large

    def __len__(self) -> int:
        return sum(self.parts.sums[0])

    def __bool__(self) -> bool:
        return bool(self.blocks)

    def end_of(self, time: int) -> Place:
        """The place after the last order that is not later than `time`."""
        block = bisect_right(self.parts.lasts, time)
        if block == len(self.blocks):
            chunks = self.blocks[-1].chunks
            return Place(block - 1, len(chunks) - 1, len(chunks[-1][0]))
        within = self.blocks[block]
        chunk = bisect_right(within.parts.lasts, time)
        return Place(block, chunk, bisect_right(within.chunks[chunk][0], time))

    def time_after(self, place: Place) -> int:
        """The time of the first order after a place."""
        return self._chunk_at(place)[0][place.position]

    def time_before(self, place: Place) -> int:
        """The time of the last order before a place."""
        block, chunk, index = place
        if index:
            return self._chunk_at(place)[0][index - 1]
        return self.blocks[block].parts.lasts[chunk - 1] if chunk else self.parts.lasts[block - 1]

    def count(self, first: Place, end: Place) -> int:
        """The number of orders between two places."""
        return self._sum(0, first, end) + end.position - first.position

    def total(self, column: int, first: Place, end: Place) -> int:
        """The sum of a column of totals between two places."""
        before, totals = self._chunk_at(first)[column], self._chunk_at(end)[column]
        inside = totals[end.position] - totals[0] - (before[first.position] - before[0])
        return self._sum(column, first, end) + inside

    def least(self, column: int, first: Place, end: Place) -> int:
        """The least value of a column between two places, which must not be the same."""
        inner = self._inside([each.parts.least[column] for each in self._ends(first, end)], first, end)
        whole = self.parts.least[column][first.block + 1 : end.block]
        return min(map(min, filter(len, (*self._values(column, first, end), *inner, whole))))

    def greatest(self, column: int, first: Place, end: Place) -> int:
        """The greatest value of a column between two places, which must not be the same."""
        inner = self._inside([each.parts.greatest[column] for each in self._ends(first, end)], first, end)
        whole = self.parts.greatest[column][first.block + 1 : end.block]
        return max(map(max, filter(len, (*self._values(column, first, end), *inner, whole))))

    def distinct(self, column: int, window: int, time: int) -> int:
        """The number of different ids in a column, of orders in (`time` - `window`, `time`]."""
        return self._presence[column].distinct(window, time)

    def distinct_between(self, column: int, first: Place, end: Place) -> int:
        """The number of different ids in a column between two places, for a window that is none of those counted."""
        ids: set[int] = set()
        for block in range(first.block, end.block + 1):
            chunks = self.blocks[block].chunks
            low = first.chunk if block == first.block else 0
            high = end.chunk if block == end.block else len(chunks) - 1
            for chunk in range(low, high + 1):
                begin = first.position if (block, chunk) == first[:2] else 0
                stop = end.position if (block, chunk) == end[:2] else None
                ids.update(chunks[chunk][column][begin:stop])
        return len(ids)

    def add(self, time: int, values: Sequence[int]) -> None:
        """Add an order, at its own time."""
        if not self.blocks:
            self._insert_block(0, [new_history(self._kinds, time, values)])
        elif not self._append(time, values):
            self._insert(time, values)
        for column, presence in self._presence.items():
            presence.add(values[column - 1], time)

    def remove(self, time: int, values: Sequence[int]) -> bool:
        """Remove an order with this time and these values; False when there is none."""
        for block, chunk in self._chunks_back_from(time):
            history = self.blocks[block].chunks[chunk]
            index = find(history, self._kinds, time, values)
            if index is not None:
                delete(history, self._kinds, index)
                self._replace_chunk(block, chunk, [history] if history[0] else [])
                for column, presence in self._presence.items():
                    presence.remove(values[column - 1], time)
                return True
        return False

    def forget(self, time: int) -> Iterator[None]:
        """Delete the orders that are not later than `time`.

        Yields after each block and each id, so that the work can be spread; orders may be added and removed then.
        """
        while self.blocks and self.parts.lasts[0] <= time:
            self._delete_block(0)
            yield
        if self.blocks:
            first = self.blocks[0]
            while first.parts.lasts[0] <= time:
                del first.chunks[0]
                first.parts.delete(0)
            count = bisect_right(first.chunks[0][0], time)
            if count:
                delete_first(first.chunks[0], count)
            self._replace_chunk(0, 0, [first.chunks[0]])
        for presence in self._presence.values():
            yield from presence.forget(time)

    @property
    def oldest(self) -> int:
        """The time of the first order."""
        return self.blocks[0].chunks[0][0][0]

    def size(self) -> int:
        """About how many bytes it takes."""
        columns = 1 + len(self._kinds)
        chunks = sum(len(block.chunks) for block in self.blocks)
        return (
            (1 + len(self.blocks)) * (BYTES_OF_PARTS + BYTES_OF_PARTS_COLUMN * columns)
            + chunks * BYTES_OF_CHUNK_COLUMN * columns
            + sum(sys.getsizeof(column) for chunk in self.chunks() for column in chunk)
            + sum(presence.size() for presence in self._presence.values())
        )

    def chunks(self) -> Iterator[History]:
        """The columns, chunk by chunk."""
        return chain.from_iterable(block.chunks for block in self.blocks)

    # ---- windows

    def _chunk_at(self, place: Place) -> History:
        return self.blocks[place.block].chunks[place.chunk]

    def _ends(self, first: Place, end: Place) -> tuple[Block, Block]:
        return self.blocks[first.block], self.blocks[end.block]

    def _sum(self, column: int, first: Place, end: Place) -> int:
        """The sum of whole chunks, from that of the first place up to before that of the second."""
        low, high = (block.parts.sums[column] for block in self._ends(first, end))
        if first.block == end.block:
            return sum(low[first.chunk : end.chunk])
        between = self.parts.sums[column][first.block + 1 : end.block]
        return sum(low[first.chunk :]) + sum(between) + sum(high[: end.chunk])

    def _inside(self, ends: Sequence[list[int]], first: Place, end: Place) -> Iterable[Sequence[int]]:
        """What the two lists of the blocks of two places hold of the chunks between these."""
        if first.block == end.block:
            return (ends[0][first.chunk + 1 : end.chunk],)
        return ends[0][first.chunk + 1 :], ends[1][: end.chunk]

    def _values(self, column: int, first: Place, end: Place) -> Iterable[MutableSequence[int]]:
        """What the chunks of two places hold between these."""
        low, high = self._chunk_at(first)[column], self._chunk_at(end)[column]
        if low is high:
            return (low[first.position : end.position],)
        return low[first.position :], high[: end.position]

    # ---- changes

    def _insert(self, time: int, values: Sequence[int]) -> None:
        block, chunk, index = self.end_of(time)
        within = self.blocks[block]
        history = within.chunks[chunk] = insert(within.chunks[chunk], self._kinds, index, time, values)
        if len(history[0]) < 2 * self._chunk:
            within.parts.add(chunk, time, values)
            self.parts.add(block, time, values)
        else:
            self._replace_chunk(block, chunk, split(history, self._kinds, self._chunk))

    def _append(self, time: int, values: Sequence[int]) -> bool:
        """Add the newest order; False when it is not the newest, its chunk would be full, or a value is too large."""
        parts, within = self.parts, self.blocks[-1]
        times, *columns = within.chunks[-1]
        if time < parts.lasts[-1] or len(times) >= 2 * self._chunk - 1:
            return False
        if not append_values(columns, self._kinds, values):
            return False
        times.append(time)
        within.parts.append(time, values)
        parts.append(time, values)
        return True

    def _parts_of(self, history: History) -> Iterator[History]:
        """The orders of a chunk in chunks of the size that is wanted."""
        while len(history[0]) >= 2 * self._chunk:
            first, history = split(history, self._kinds, self._chunk)
            yield first
        if history[0]:
            yield history

    def _replace_chunk(self, block: int, chunk: int, parts: Sequence[History]) -> None:
        within = self.blocks[block]
        del within.chunks[chunk]
        within.parts.delete(chunk)
        for part in reversed(parts):
            within.chunks.insert(chunk, part)
            within.parts.insert(chunk, summary_of(part, self._kinds))
        if not within.chunks:
            self._delete_block(block)
        elif len(within.chunks) < 2 * self._chunk:
            self.parts.replace(block, within.parts.total())
        else:
            self._delete_block(block)
            self._insert_block(block, within.chunks[self._chunk :])
            self._insert_block(block, within.chunks[: self._chunk])

    def _insert_block(self, block: int, chunks: Sequence[History]) -> None:
        self.blocks.insert(block, Block(self._kinds, chunks))
        self.parts.insert(block, self.blocks[block].parts.total())

    def _delete_block(self, block: int) -> None:
        del self.blocks[block]
        self.parts.delete(block)

    def _chunks_back_from(self, time: int) -> Iterator[tuple[int, int]]:
        """The chunks that may have orders of a time, the last one first."""
        if not self.blocks:
            return
        block, chunk, _ = self.end_of(time)
        while self.blocks[block].parts.lasts[chunk] >= time:
            yield block, chunk
            if chunk:
                chunk -= 1
            elif block:
                block -= 1
                chunk = len(self.blocks[block].chunks) - 1
            else:
                return
