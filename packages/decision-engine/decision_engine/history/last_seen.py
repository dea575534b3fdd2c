"""Index of when each of a key's ids was seen, to count the different ones of a window."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import Final

from sortedcontainers import SortedList

BYTES_OF_ID: Final = 350
BYTES_OF_TIME: Final = 40


class LastSeen:
    """The times of each id, and the ids in the order in which they were last seen.

    For a window that ends with the newest order, the different ids are those last seen inside it: one bisection. For
    one that ends before, ids that were seen again after its end are looked up one by one.
    """

    __slots__ = ("_lasts", "_times")

    def __init__(self) -> None:
        self._times: dict[int, list[int]] = {}
        self._lasts: SortedList[tuple[int, int]] = SortedList()

    def distinct(self, after: int, time: int) -> int:
        """The number of different ids that were seen in (`after`, `time`]."""
        lasts = self._lasts
        end = lasts.bisect_left((time + 1,))
        found: int = end - lasts.bisect_left((after + 1,))
        times_of = self._times
        for _, each in lasts.islice(end):
            times = times_of[each]
            index = bisect_right(times, time)
            if index and times[index - 1] > after:
                found += 1
        return found

    def fill(self, seen: Iterable[tuple[int, int]]) -> None:
        """Ids were seen, each at a time that is not before that of the previous one; nothing was seen before."""
        for each, time in seen:
            self._times.setdefault(each, []).append(time)
        self._lasts.update((times[-1], each) for each, times in self._times.items())

    def add(self, each: int, time: int) -> None:
        """An id was seen."""
        times = self._times.get(each)
        if times is None:
            self._times[each] = [time]
            self._lasts.add((time, each))
        elif time > times[-1]:
            self._lasts.remove((times[-1], each))
            self._lasts.add((time, each))
            times.append(time)
        else:
            insort(times, time)

    def remove(self, each: int, time: int) -> None:
        """Take back that an id was seen at a time."""
        times = self._times[each]
        last = times[-1]
        del times[bisect_left(times, time)]
        if not times:
            del self._times[each]
        if not times or times[-1] != last:
            self._lasts.remove((last, each))
            if times:
                self._lasts.add((times[-1], each))

    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self._times) * BYTES_OF_ID + sum(map(len, self._times.values())) * BYTES_OF_TIME

    def forget(self, time: int) -> None:
        """Forget what was seen up to a time."""
        while self._lasts and self._lasts[0][0] <= time:
            _, each = self._lasts.pop(0)
            del self._times[each]
        for times in self._times.values():
            del times[: bisect_right(times, time)]
