"""What is older than the ring, read from the topic: a few readers for everybody."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from order_api.decisions.position import Position
from order_api.decisions.ring import STRETCH_MESSAGES
from order_api.decisions.topic import Bounds, OpenTopic, Read, Topic

READERS: Final = 4
READ_SECONDS: Final = 1.0
# An open reader goes on fetching; opening one takes as long as some hundred reads.
LINGER_SECONDS: Final = 5.0


class _Reader:
    """An open topic, and where it stands."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.position: Position = ()
        self.topic: Topic


class Past:
    """Reads a piece at a time, for whoever asks next: nobody holds a reader while its caller is slow."""

    def __init__(self, open_topic: OpenTopic, readers: int = READERS) -> None:
        self._open_topic = open_topic
        self._free = asyncio.Semaphore(readers)
        self._open: list[_Reader] = []
        self._closing: asyncio.TimerHandle | None = None
        self._closers: set[asyncio.Task[None]] = set()

    async def bounds(self) -> Bounds:
        """The topic's bounds now. Raises one of AWAY."""
        async with self._free:
            reader = await self._take(())
            try:
                bounds = await reader.topic.bounds()
            except BaseException:
                await reader.stack.aclose()
                raise
            self._give_back(reader)
            return bounds

    async def read(self, position: Position) -> Read:
        """Some messages from `position` on. Raises PositionLost, or one of AWAY."""
        async with self._free:
            reader = await self._take(position)
            try:
                read = await reader.topic.read(position, STRETCH_MESSAGES, READ_SECONDS)
            except BaseException:
                await reader.stack.aclose()
                raise
            reader.position = read.position
            self._give_back(reader)
            return read

    async def close(self) -> None:
        """Close all readers."""
        if self._closing is not None:
            self._closing.cancel()
        self._close_open()
        await asyncio.gather(*self._closers)

    async def _take(self, position: Position) -> _Reader:
        """A reader that stands at `position`, else any, else a new one."""
        if self._open:
            index = next((i for i, reader in enumerate(self._open) if reader.position == position), 0)
            return self._open.pop(index)
        reader = _Reader()
        reader.topic = await reader.stack.enter_async_context(self._open_topic())
        return reader

    def _give_back(self, reader: _Reader) -> None:
        self._open.append(reader)
        if self._closing is not None:
            self._closing.cancel()
        self._closing = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_open)

    def _close_open(self) -> None:
        while self._open:
            closer = asyncio.create_task(self._open.pop().stack.aclose())
            self._closers.add(closer)
            closer.add_done_callback(self._closers.discard)
