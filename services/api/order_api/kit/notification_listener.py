"""Listener for notifications of Postgres, on one connection, which is made at the first use."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import asyncpg
import structlog

from order_platform.postgres.errors import DATABASE_ERRORS

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.0
RETRY_SECONDS = 1.0


class PostgresListener:
    """Calls the handler of a channel with the payload of each notification.

    Silence proves nothing: a connection can be lost, and poolers in transaction mode pass no notifications on.
    What relies on notifications looks by itself from time to time; `connected` is called when they may have been
    missed.
    """

    def __init__(
        self,
        database_url: str,
        handlers: Mapping[str, Callable[[str], None]],
        connected: Callable[[], None] = lambda: None,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._retry_seconds = retry_seconds
        self._database_url = database_url
        self._handlers = handlers
        self._connected = connected
        self._listening: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection | None = None

    def listen(self) -> None:
        """Begin to listen, unless begun: connects in the background, and again after a loss."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())

    async def leave(self) -> None:
        """Close the connection; a new one is made as after a loss."""
        if self._connection is not None:
            self._connection.terminate()

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except DATABASE_ERRORS as error:
                # Requests report the unavailable database themselves.
                log.debug("listener_interrupted", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._retry_seconds)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(
            self._database_url, timeout=CONNECT_SECONDS, server_settings={"application_name": "order-api news"}
        )
        self._connection = connection
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            for channel in self._handlers:
                await connection.add_listener(channel, self._handle)
            self._connected()
            await lost.wait()
        finally:
            self._connection = None
            connection.terminate()

    def _handle(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._handlers[channel](str(payload))
