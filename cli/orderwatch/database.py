"""The database that is asked, and what to say when it does not answer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import asyncpg

from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.settings import DatabaseSettings
from orderwatch.command_hint import command
from orderwatch.environment import how_to_reach
from orderwatch.errors import NotUpError, OrderwatchError

CONNECT_SECONDS = 10.0


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=CONNECT_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def database_answers(settings: DatabaseSettings) -> Iterator[None]:
    """Turns a database that does not answer into an error that says so."""
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise OrderwatchError(
            f"the database at {_place(settings)} is not migrated: {error}", f"{command('migrate')} does that."
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise OrderwatchError(
            f"the database role of ORDERWATCH_DATABASE_URL may not do this: {error}",
            "docs/security.md says what each role may do, and where the URL of each is.",
        ) from error
    except DATABASE_ERRORS as error:
        raise NotUpError(
            f"the database at {_place(settings)} does not answer: {str(error) or type(error).__name__}",
            how_to_reach("ORDERWATCH_DATABASE_URL"),
        ) from error


def _place(settings: DatabaseSettings) -> str:
    """Host and port, without the password."""
    netloc = urlsplit(settings.database_url.get_secret_value()).netloc
    return netloc.rpartition("@")[2] or "its socket"
