"""What clients may cause in one turn of the event loop, so that others' requests get on while many send at once."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

# Units of work, each a piece that is parsed or a request that is started: some milliseconds in all. A look-up takes a
# handful of turns, so it is answered in tens of milliseconds however many clients there are.
UNITS: Final = 16
# Of these, for clients that send ahead of the responses: who sends one request after the other comes first.
UNITS_FOR_MORE: Final = 6


class LoopShares:
    """Gives out units of work, so many a turn; who finds none left waits in one of two queues."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._left = UNITS
        self._first: deque[Callable[[], None]] = deque()
        self._more: deque[Callable[[], None]] = deque()
        self._is_turn_coming = False

    def take(self) -> bool:
        """Whether a unit of work may be done at once; not while others wait that have a right to it."""
        if self._first or not self._left:
            return False
        self._left -= 1
        self._expect_turn()
        return True

    def wait(self, work: Callable[[], None], *, is_more: bool) -> None:
        """Do a unit of work when it is its turn; `is_more` when the client was at work already."""
        (self._more if is_more else self._first).append(work)
        self._expect_turn()

    def _expect_turn(self) -> None:
        if not self._is_turn_coming:
            self._is_turn_coming = True
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_turn_coming = False
        self._left = UNITS
        self._work(self._first, UNITS - UNITS_FOR_MORE)
        self._work(self._more, UNITS_FOR_MORE)
        if self._left < UNITS:
            self._expect_turn()

    def _work(self, queue: deque[Callable[[], None]], units: int) -> None:
        for _ in range(min(units, len(queue))):
            self._left -= 1
            queue.popleft()()
