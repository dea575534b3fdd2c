"""A way to a server that keeps it from its clients that the server has hung up."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class DeafProxy:
    """Passes everything on in both directions, but never the end of a connection. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._ends: list[asyncio.StreamWriter] = []
        self._passing: list[asyncio.Task[None]] = []
        self._hung_up = asyncio.Event()

    @property
    def url(self) -> str:
        """The server's URL by way of this proxy."""
        port = self._server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{user}@127.0.0.1:{port}"))

    async def hung_up(self) -> None:
        """Wait until the server has ended a connection, and its client has read what was said last."""
        await self._hung_up.wait()
        self._hung_up.clear()
        await asyncio.sleep(0.05)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for end in self._ends:
            end.close()
        await asyncio.gather(*self._passing)

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        self._ends += (to_client, to_server)
        answering = asyncio.create_task(_pass_on(from_server, to_client))
        answering.add_done_callback(lambda _: self._hung_up.set())
        self._passing += (asyncio.create_task(_pass_on(from_client, to_server)), answering)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
