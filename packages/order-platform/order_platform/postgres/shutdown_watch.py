"""Watch for a smart shutdown of Postgres, which waits for its clients to disconnect.

A smart shutdown (SIGTERM to the server) does not notify connected clients: it refuses new connections, and waits until
the old ones are closed. So a process that keeps connections tries a new one from time to time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from order_platform.postgres.errors import DATABASE_ERRORS

log = structlog.get_logger()

WATCH_SECONDS = 5.0
CONNECT_SECONDS = 3.0


async def refuses_connections(database_url: str) -> bool:
    """Whether the server responds and refuses new clients, because it shuts down."""
    try:
        connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS)
    except asyncpg.CannotConnectNowError:
        return True
    except DATABASE_ERRORS:
        return False  # the next query reports it
    connection.terminate()
    return False


@asynccontextmanager
async def watch_for_shutdown(database_url: str, *disconnect: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """While open, calls each of `disconnect` when the server shuts down: they close their connections."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if await refuses_connections(database_url):
                log.info("database_shuts_down", consequence="connections are closed")
                await asyncio.gather(*(call() for call in disconnect))

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def close_connections(pool: asyncpg.Pool) -> None:
    """Close the connections of a pool: idle ones now, the others when they are released."""
    await pool.expire_connections()

    async def take() -> None:
        with suppress(*DATABASE_ERRORS):
            await pool.release(await pool.acquire())

    # An expired connection is closed when it is acquired, and a new one is made: so all are acquired at once.
    await asyncio.gather(*(take() for _ in range(pool.get_idle_size())))
