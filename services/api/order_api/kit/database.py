"""Connection pools for Postgres that connect at the first query, with one error for an unavailable database.

Each kind of request has a pool of its own, so that costly requests never make cheap ones wait for a connection.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import asyncpg
import structlog

from order_api.http.problems.availability import DatabaseUnavailable, QueryTooSlow
from order_platform.outage_log import OutageLog
from order_platform.postgres.errors import LOST_CONNECTION
from order_platform.postgres.shutdown_watch import close_connections

log = structlog.get_logger(__name__)

PoolConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

CONNECT_SECONDS = 3.0
# Connections cost the server megabytes each: an idle API holds none.
IDLE_SECONDS = 60.0

_UNAVAILABLE: tuple[type[Exception], ...] = (
    *LOST_CONNECTION,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,  # not migrated yet
    asyncpg.UndefinedColumnError,
)


class RequestKind(NamedTuple):
    """A kind of request: how many connections it has, and after how many seconds Postgres ends a statement of it."""

    name: str
    connections: int
    seconds: float


LOOKUPS: Final = RequestKind("lookups", 6, 3.0)
"""By a primary key: orders by id, keys, sessions."""
HEALTH: Final = RequestKind("health", 1, 2.0)
LISTINGS: Final = RequestKind("listings", 4, 5.0)
"""Pages of orders, users, marts, dead letters."""
STATISTICS: Final = RequestKind("statistics", 3, 10.0)


class Database:
    """Queries of Postgres. Raises DatabaseUnavailable or QueryTooSlow; any other error is a bug."""

    def __init__(self, pool: asyncpg.Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._outage = OutageLog("postgres")

    @property
    def connections(self) -> tuple[int, int]:
        """Open connections, and how many of them are in use."""
        size = self._pool.get_size()
        return size, size - self._pool.get_idle_size()

    async def leave(self) -> None:
        """Close this pool's connections, as `Databases.leave` does those of all."""
        await close_connections(self._pool)

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """All rows."""
        with self._translate_errors():
            return await self._pool.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """The first row, or None."""
        with self._translate_errors():
            return await self._pool.fetchrow(query, *args)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PoolConnection]:
        """Queries that all see the same moment, on one connection."""
        with self._translate_errors():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PoolConnection]:
        """A connection, for a change that opens its own transaction."""
        with self._translate_errors():
            async with self._pool.acquire() as connection:
                yield connection

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except asyncpg.QueryCanceledError as error:
            log.warning("query_too_slow", seconds=self._seconds)
            raise QueryTooSlow(self._seconds) from error
        except _UNAVAILABLE as error:
            self._outage.failed(f"{type(error).__name__}: {error}")
            raise DatabaseUnavailable from error
        self._outage.succeeded()


@asynccontextmanager
async def open_database(url: str, kind: RequestKind = LOOKUPS) -> AsyncIterator[Database]:
    """A pool of a kind that opens without a server and connects at the first query."""

    async def end_transaction(connection: asyncpg.Connection) -> None:
        """Queries here leave nothing else behind on a connection: the usual reset would be a round trip for nothing."""
        if connection.is_in_transaction():
            await connection.execute("rollback")

    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=kind.connections,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        timeout=CONNECT_SECONDS,
        # The server gives up first and says so; the client's time-out is for a server that is gone.
        command_timeout=kind.seconds + 2,
        reset=end_transaction,
        server_settings={
            "application_name": f"order-api {kind.name}",
            "statement_timeout": str(int(kind.seconds * 1000)),
            "jit": "off",  # compiling costs more than our queries take
            # The best index depends on whether a user has ten orders or ten thousand: measured 1 ms against 300. A
            # look-up by key has one plan, which is made once.
            "plan_cache_mode": "auto" if kind is LOOKUPS else "force_custom_plan",
            # Made while the table is small, that plan would be to read all of it, and stay so while the table grows.
            **({"enable_seqscan": "off"} if kind is LOOKUPS else {}),
        },
    )
    async with pool:
        try:
            yield Database(pool, kind.seconds)
        finally:
            # Whatever still runs is a read whose client is gone.
            pool.terminate()


@dataclass(frozen=True, slots=True)
class Databases:
    """One pool for each kind of request."""

    lookups: Database
    health: Database
    listings: Database
    statistics: Database

    @property
    def connections(self) -> tuple[int, int]:
        """Open connections, and how many of them are in use."""
        sizes = [pool.connections for pool in self._all()]
        return sum(size for size, _ in sizes), sum(used for _, used in sizes)

    async def leave(self) -> None:
        """Close all connections: idle ones at once, the others after their query. The next query makes a new one."""
        await asyncio.gather(*(pool.leave() for pool in self._all()))

    def _all(self) -> tuple[Database, ...]:
        return self.lookups, self.health, self.listings, self.statistics


@asynccontextmanager
async def open_databases(url: str) -> AsyncIterator[Databases]:
    """The pools of all kinds."""
    async with AsyncExitStack() as stack:
        kinds = (LOOKUPS, HEALTH, LISTINGS, STATISTICS)
        yield Databases(*[await stack.enter_async_context(open_database(url, kind)) for kind in kinds])
