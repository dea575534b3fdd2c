"""Index of when each of a key's ids is in a window, to count the different ones."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final

from sortedcontainers import SortedList

BYTES_OF_ID: Final = 220
BYTES_OF_TIME: Final = 9
BYTES_OF_MOMENT: Final = 40
"""An id, each time at which it was seen, and each beginning and end of its presence; measured."""


class Presence:
    """The times of each id, and when it is present in windows of some lengths.

    An id that was seen at time s is in every window that ends in [s, s + length). Where these intervals of an id touch,
    they are one. So the number of different ids in a window that ends at t is the number of intervals that began up to
    t, less those that ended: two bisections, however late the order is.
    """

    __slots__ = ("_intervals", "_times")

    def __init__(self, windows: Collection[int]) -> None:
        self._times: dict[int, array[int]] = {}
        self._intervals: dict[int, tuple[SortedList[int], SortedList[int]]] = {
            window: (SortedList(), SortedList()) for window in windows
        }

    def distinct(self, window: int, time: int) -> int:
        """The number of different ids that were seen in (`time` - `window`, `time`]."""
        begins, ends = self._intervals[window]
        present: int = begins.bisect_right(time) - ends.bisect_right(time)
        return present

    def fill(self, seen: Iterable[tuple[int, int]]) -> None:
        """Ids were seen, each at a time that is not before that of the previous one; nothing was seen before."""
        for each, time in seen:
            times = self._times.get(each)
            if times is None:
                self._times[each] = array("q", (time,))
            else:
                times.append(time)
        for window, (begins, ends) in self._intervals.items():
            begins.update(times[0] for times in self._times.values())
            ends.update(times[-1] + window for times in self._times.values())
            gaps = [pair for times in self._times.values() for pair in pairwise(times) if pair[1] - pair[0] >= window]
            begins.update(after for _, after in gaps)
            ends.update(before + window for before, _ in gaps)

    def add(self, each: int, time: int) -> None:
        """An id was seen."""
        times = self._times.get(each)
        if times is None:
            times = self._times[each] = array("q")
        index = bisect_right(times, time)
        times.insert(index, time)
        before, after = _neighbours(times, index)
        for window, (begins, ends) in self._intervals.items():
            follows = before is not None and time - before < window
            leads = after is not None and after - time < window
            was_apart = before is None or after is None or after - before >= window
            if not follows:
                begins.add(time)
            elif was_apart:
                ends.remove(before + window)  # type: ignore[operator]  # there is one when the id follows it
            if not leads:
                ends.add(time + window)
            elif was_apart:
                begins.remove(after)

    def remove(self, each: int, time: int) -> None:
        """Take back that an id was seen at a time: the reverse of `add`."""
        times = self._times[each]
        index = bisect_left(times, time)
        before, after = _neighbours(times, index)
        del times[index]
        if not times:
            del self._times[each]
        for window, (begins, ends) in self._intervals.items():
            follows = before is not None and time - before < window
            leads = after is not None and after - time < window
            is_apart = before is None or after is None or after - before >= window
            if not follows:
                begins.remove(time)
            elif is_apart:
                ends.add(before + window)  # type: ignore[operator]
            if not leads:
                ends.remove(time + window)
            elif is_apart:
                begins.add(after)

    def forget(self, time: int) -> Iterator[None]:
        """Forget what was seen up to a time. Yields after each id, so that it can be spread."""
        if all(not begins or begins[0] > time for begins, _ in self._intervals.values()):
            return
        for each in list(self._times):
            self._forget_id(each, time)
            yield

    def _forget_id(self, each: int, time: int) -> None:
        times = self._times.get(each)
        count = 0 if times is None else bisect_right(times, time)
        if times is None or not count:
            return
        for window, (begins, ends) in self._intervals.items():
            begins.remove(times[0])
            for before, after in pairwise(times[: count + 1]):
                if after - before >= window:
                    ends.remove(before + window)
                    begins.remove(after)
            if count < len(times):
                begins.add(times[count])
            else:
                ends.remove(times[-1] + window)
        del times[:count]
        if not times:
            del self._times[each]

    def size(self) -> int:
        """About how many bytes it takes."""
        moments = sum(len(begins) + len(ends) for begins, ends in self._intervals.values())
        times = sum(map(len, self._times.values()))
        return len(self._times) * BYTES_OF_ID + times * BYTES_OF_TIME + moments * BYTES_OF_MOMENT


def _neighbours(times: "array[int]", index: int) -> tuple[int | None, int | None]:
    """The times before and after the one at an index."""
    return times[index - 1] if index else None, times[index + 1] if index + 1 < len(times) else None
