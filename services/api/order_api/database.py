"""Postgres as the API reaches it: a pool that connects when first needed, and one error for `it is away`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import structlog

from order_api.problems.availability import DatabaseUnavailable, QueryTooSlow
from order_contract.database_errors import LOST_CONNECTION

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 8
CONNECT_SECONDS = 3.0
QUERY_SECONDS = 10.0
# Connections cost the server megabytes each: an API that nobody asks holds none.
IDLE_SECONDS = 60.0

_AWAY: tuple[type[Exception], ...] = (
    *LOST_CONNECTION,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,  # not migrated yet
    asyncpg.UndefinedColumnError,
)


class Database:
    """Reads from Postgres. Raises DatabaseUnavailable or QueryTooSlow; any other error is a bug of ours."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._away = False

    @property
    def connections(self) -> tuple[int, int]:
        """Open connections, and how many of them are in use."""
        size = self._pool.get_size()
        return size, size - self._pool.get_idle_size()

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """All rows."""
        with self._translated():
            return await self._pool.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """The first row, or None."""
        with self._translated():
            return await self._pool.fetchrow(query, *args)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except asyncpg.QueryCanceledError as error:
            log.warning("query_too_slow", seconds=QUERY_SECONDS)
            raise QueryTooSlow(QUERY_SECONDS) from error
        except _AWAY as error:
            if not self._away:
                # Once per outage: the requests that fail meanwhile are counted in the metrics.
                self._away = True
                log.warning("postgres_unavailable", error=f"{type(error).__name__}: {error}")
            raise DatabaseUnavailable from error
        if self._away:
            self._away = False
            log.info("postgres_back")


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """A pool of up to MAX_CONNECTIONS that opens with no server in sight and connects at the first query."""

    async def leave_as_is(connection: asyncpg.Connection) -> None:
        """Queries here leave nothing behind on a connection: the usual reset would be a round trip for nothing."""

    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=MAX_CONNECTIONS,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        timeout=CONNECT_SECONDS,
        # The server gives up first and says so; the client's time-out is for a server that is gone.
        command_timeout=QUERY_SECONDS + 2,
        reset=leave_as_is,
        server_settings={
            "application_name": "order-api",
            "statement_timeout": str(int(QUERY_SECONDS * 1000)),
            "jit": "off",  # compiling costs more than our queries take
            # The best index depends on whether a user has ten orders or ten thousand: measured 1 ms against 300.
            "plan_cache_mode": "force_custom_plan",
        },
    )
    async with pool:
        try:
            yield Database(pool)
        finally:
            # Whatever still runs is a read whose caller is gone.
            pool.terminate()
