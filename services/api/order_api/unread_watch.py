"""Whether a client reads what waits for it."""

import asyncio
from typing import Final

# A client for whom a response waits takes at least so much of it in this time, or what is left. (What the system has
# buffered is freed in pieces of a third of that, so clients that read 10 kB a second are safe.)
READING_SECONDS: Final = 30.0
READING_BYTES: Final = 16_384


class UnreadWatch:
    """Aborts a connection whose client reads too slowly; nothing more is written while it is watched."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0

    def start(self) -> int:
        """Begin, when something is unread; how much."""
        self.stop()
        self._unread = self._transport.get_write_buffer_size()
        if self._unread:
            self._timer = self._loop.call_later(READING_SECONDS, self._check)
        return self._unread

    def stop(self) -> None:
        """End: most of it was read, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort_unread(self) -> None:
        """End the connection now if anything is unread."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() > self._unread - READING_BYTES:
            self._transport.abort()
        else:
            self.start()
