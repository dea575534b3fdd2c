"""Noticing that the database shuts down and waits for its clients to leave.

A smart shutdown (SIGTERM to the server) says nothing to those who are connected: it refuses new connections, and waits
for as long as old ones stay. So a process that keeps connections asks for a new one from time to time.
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
    """Whether the server is there and lets no new client in: for one that has clients, because it shuts down."""
    try:
        connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS)
    except asyncpg.CannotConnectNowError:
        return True
    except DATABASE_ERRORS:
        return False  # whoever uses it notices by themselves
    connection.terminate()
    return False


@asynccontextmanager
async def leaving_at_shutdown(database_url: str, *leave: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """While it is open, calls each of `leave` when the server shuts down: they close the connections they keep."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if await refuses_connections(database_url):
                log.info("database_shuts_down", consequence="connections are closed")
                await asyncio.gather(*(call() for call in leave))

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def close_connections(pool: asyncpg.Pool) -> None:
    """Close the connections of a pool: idle ones now, the others when they are given back."""
    await pool.expire_connections()

    async def take() -> None:
        with suppress(*DATABASE_ERRORS):
            await pool.release(await pool.acquire())

    # An expired one is closed when it is taken, and whoever took it gets a new one if there are any: so all at once.
    await asyncio.gather(*(take() for _ in range(pool.get_idle_size())))
