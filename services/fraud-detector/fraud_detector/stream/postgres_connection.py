"""Connections to Postgres for one piece of work each, and its errors as those that a retry may cure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg

from fraud_detector.stream.ports import DependencyUnavailableError
from order_platform.postgres.errors import DATABASE_ERRORS

TIMEOUT_SECONDS: Final = 30.0


def session_settings(application_name: str, *, idle_in_transaction: str = "30s") -> dict[str, str]:
    """The settings of a session.

    While a detector is idle in a transaction, no other one can store the same orders when it reads them again.
    """
    return {"application_name": application_name, "idle_in_transaction_session_timeout": idle_in_transaction}


@asynccontextmanager
async def connected(
    database_url: str,
    application_name: str,
    *,
    command_timeout: float | None = TIMEOUT_SECONDS,
    idle_in_transaction: str = "30s",
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of its own, closed at the end without waiting for the database. Raises asyncpg's errors."""
    connection = await asyncpg.connect(
        database_url,
        timeout=TIMEOUT_SECONDS,
        command_timeout=command_timeout,
        server_settings=session_settings(application_name, idle_in_transaction=idle_in_transaction),
    )
    try:
        yield connection
    finally:
        connection.terminate()


@contextmanager
def errors_as_unavailable(errors: tuple[type[Exception], ...] = DATABASE_ERRORS) -> Iterator[None]:
    """Raise DependencyUnavailableError for these errors, unless asyncpg refused our own arguments: that is a bug."""
    try:
        yield
    except errors as error:
        if isinstance(error, ValueError):
            raise
        raise DependencyUnavailableError(f"{type(error).__name__}: {error}") from error
