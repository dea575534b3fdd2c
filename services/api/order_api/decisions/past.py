"""What is older than the ring, read from the topic: a few readers for everybody."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

from order_api.decisions.position import Position
from order_api.decisions.topic import Bounds, OpenTopic, Read, Topic

Result = TypeVar("Result")

READERS: Final = 4
READ_MESSAGES: Final = 128
READ_SECONDS: Final = 1.0
# Of each partition at a time: what is fetched beyond a piece is thrown away when the reader goes on elsewhere.
FETCH_BYTES: Final = 32 * 1024
# What aiokafka fetched and nobody took refers to itself, so only the collector frees it, which runs rarely here.
JUMPS_TO_COLLECT: Final = 64
# An open reader goes on fetching; opening one takes as long as some hundred reads.
LINGER_SECONDS: Final = 5.0


class _Reader:
    """An open topic, and where it stands."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.position: Position = ()
        self.topic: Topic

    async def read(self, position: Position) -> Read:
        """The next messages from `position` on."""
        read = await self.topic.read(position, READ_MESSAGES, READ_SECONDS)
        self.position = read.position
        return read


class Past:
    """Reads a piece at a time, for whoever asks next: nobody holds a reader while its caller is slow.

    What was begun is finished, also when whoever asked has left: a client that is cut off halfway is never closed.
    """

    def __init__(self, open_topic: OpenTopic, readers: int = READERS) -> None:
        self._open_topic = open_topic
        self._free = asyncio.Semaphore(readers)
        self._open: list[_Reader] = []
        self._closing: asyncio.TimerHandle | None = None
        self._jumps = 0
        self._working: set[asyncio.Task[Any]] = set()

    async def bounds(self) -> Bounds:
        """The topic's bounds now. Raises one of AWAY."""
        return await self._finish(self._use((), lambda reader: reader.topic.bounds()))

    async def read(self, position: Position) -> Read:
        """Some messages from `position` on. Raises PositionLost, or one of AWAY."""
        return await self._finish(self._use(position, lambda reader: reader.read(position)))

    async def close(self) -> None:
        """Finish what is under way, and close all readers."""
        if self._closing is not None:
            self._closing.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._close_open()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _finish(self, work: Coroutine[None, None, Result]) -> Result:
        return await asyncio.shield(self._spawn(work))

    def _spawn(self, work: Coroutine[None, None, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    async def _use(self, position: Position, work: Callable[[_Reader], Awaitable[Result]]) -> Result:
        async with self._free:
            reader = await self._take(position)
            try:
                result = await work(reader)
            except BaseException:
                await reader.stack.aclose()
                raise
            self._give_back(reader)
            return result

    async def _take(self, position: Position) -> _Reader:
        """A reader that stands at `position`, else any, else a new one."""
        if not self._open:
            reader = _Reader()
            reader.topic = await reader.stack.enter_async_context(self._open_topic(FETCH_BYTES))
            return reader
        index = next((i for i, reader in enumerate(self._open) if reader.position == position), None)
        if index is None:
            index = 0
            self._jumps += 1
            if self._jumps % JUMPS_TO_COLLECT == 0:
                gc.collect(1)
        return self._open.pop(index)

    def _give_back(self, reader: _Reader) -> None:
        self._open.append(reader)
        if self._closing is not None:
            self._closing.cancel()
        self._closing = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_open)

    def _close_open(self) -> None:
        while self._open:
            self._spawn(self._open.pop().stack.aclose())
