"""One piece of work of a command on a connection to Postgres: it waits for nothing without end or without a word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias, TypeVar

import asyncpg

from order_platform.command_line.errors import CommandError, UnavailableError
from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.settings import DatabaseSettings

CONNECT_SECONDS: Final = 5.0
CHECK_SECONDS: Final = 5.0
"""Between two checks whether the server responds, and whether the work waits for a lock."""
UNANSWERED_CHECKS: Final = 2
"""One may fail because the command itself was busy, or waited for its user."""
LOCK_SECONDS: Final = 60.0
CANCELLED_SECONDS: Final = 0.5

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Result = TypeVar("Result")

_BLOCKING: Final = "select pg_blocking_pids($1)"


def run_on_database(settings: DatabaseSettings, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The result of `work`. Raises CommandError."""

    async def run() -> Result:
        async with open_connection(settings.database_url.get_secret_value()) as connection:
            return await work(connection)

    try:
        return asyncio.run(run())
    except asyncpg.UndefinedTableError as error:
        raise UnavailableError(f"the database is not of this release: {error}", "Run orderwatch migrate.") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError(
            f"the database refuses: {error}", "ORDERWATCH_DATABASE_URL is to name the operator's role."
        ) from None
    except DATABASE_ERRORS as error:
        raise UnavailableError(f"Postgres is unavailable: {str(error) or type(error).__name__}") from None


@asynccontextmanager
async def open_connection(
    database_url: str, *, connect_seconds: float = CONNECT_SECONDS, lock_seconds: float | None = LOCK_SECONDS
) -> AsyncIterator[Connection]:
    """A connection, closed at the end without waiting for the server.

    What is done on it may take as long as the server works on it: a long query has no limit. It ends with a
    TimeoutError, which says why, when the server stops responding, or when another session holds a lock that it needs
    for longer than `lock_seconds`; None waits on. The wait for a lock is reported. Raises asyncpg's errors.
    """
    try:
        connection = await asyncpg.connect(database_url, timeout=connect_seconds)
    except TimeoutError:
        raise TimeoutError(f"no response for {connect_seconds:g} s") from None
    watch = _Watch(database_url, connection, lock_seconds)
    owner = asyncio.current_task()
    assert owner is not None
    tasks = [asyncio.create_task(watch.run()), asyncio.create_task(_end_when_cancelled(connection, owner))]
    try:
        yield connection
    except DATABASE_ERRORS:
        if owner.cancelling():
            raise asyncio.CancelledError from None
        if watch.reason is None:
            raise
        raise TimeoutError(watch.reason) from None
    finally:
        for task in tasks:
            task.cancel()
        connection.terminate()


async def _end_when_cancelled(connection: Connection, owner: "asyncio.Task[object]") -> None:
    """End a connection once the task that uses it is cancelled: the rollback that it awaits may never come."""
    while not owner.cancelling():  # noqa: ASYNC110  (asyncio has no callback for it)
        await asyncio.sleep(CANCELLED_SECONDS)
    connection.terminate()


class _Watch:
    """Checks the server of a connection, over others, and ends it when there is no prospect of a response."""

    def __init__(self, database_url: str, connection: Connection, lock_seconds: float | None) -> None:
        self._database_url = database_url
        self._connection = connection
        self._lock_seconds = lock_seconds
        self.reason: str | None = None
        """Why it ended the wait."""

    async def run(self) -> None:
        """End the connection when the server does not respond, or a lock is held for too long."""
        clock = asyncio.get_running_loop().time
        unanswered, blocked_since = 0, None
        while self.reason is None:
            await asyncio.sleep(0 if unanswered else CHECK_SECONDS)
            try:
                blocking = await self._find_blocking()
            except TimeoutError:
                unanswered += 1
                if unanswered == UNANSWERED_CHECKS:
                    self.reason = f"no response for {unanswered * CONNECT_SECONDS:g} s"
                continue
            except DATABASE_ERRORS:
                # It responds, or is gone, which ends the connection that is waited for.
                blocking = ()
            unanswered = 0
            if not blocking:
                blocked_since = None
            elif blocked_since is None:
                blocked_since = clock()
                self._report(blocking)
            elif self._lock_seconds is not None and clock() - blocked_since > self._lock_seconds:
                self.reason = f"{_describe(blocking)} held a lock that is needed for {self._lock_seconds:g} s"
        self._connection.terminate()

    async def _find_blocking(self) -> Sequence[int]:
        """The sessions that hold what the watched one waits for."""
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await asyncpg.connect(self._database_url)
            try:
                blocking: Sequence[int] = await connection.fetchval(_BLOCKING, self._connection.get_server_pid())
            finally:
                connection.terminate()
        return blocking

    def _report(self, blocking: Sequence[int]) -> None:
        from order_platform.command_line.output import ERR  # noqa: PLC0415  (hardly ever needed)

        most = "" if self._lock_seconds is None else f", at most {self._lock_seconds:g} s"
        ERR.print(f"Postgres: {_describe(blocking)} holds a lock that is needed; waiting for it{most}.", style="dim")


def _describe(sessions: Sequence[int]) -> str:
    return f"another session (process {', '.join(map(str, sessions))})"
