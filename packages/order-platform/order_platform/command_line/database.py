"""One piece of work of a command on a connection to Postgres, with errors that say what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

import asyncpg

from order_platform.command_line.errors import CommandError, UnavailableError
from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.settings import DatabaseSettings

CONNECT_SECONDS: Final = 5.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Result = TypeVar("Result")


def run_on_database(settings: DatabaseSettings, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The result of `work`. Raises CommandError."""

    async def run() -> Result:
        connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=CONNECT_SECONDS)
        try:
            return await work(connection)
        finally:
            connection.terminate()

    try:
        return asyncio.run(run())
    except asyncpg.UndefinedTableError as error:
        raise UnavailableError(f"the database is not of this release: {error}", "Run orderwatch migrate.") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError(
            f"the database refuses: {error}", "ORDERWATCH_DATABASE_URL is to name the operator's role."
        ) from None
    except DATABASE_ERRORS as error:
        raise UnavailableError(f"Postgres is unavailable: {error}") from None
