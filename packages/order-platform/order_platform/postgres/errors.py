"""The errors of asyncpg: lost connections, and those with the database's own errors."""

import asyncpg

# A connection cannot be made, or breaks while it is in use.
LOST_CONNECTION: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # During shutdown Postgres sends an error before it closes; a query issued in between raises this.
    asyncpg.InternalClientError,
)

# These, and the errors that the database itself reports.
DATABASE_ERRORS: tuple[type[Exception], ...] = (asyncpg.PostgresError, *LOST_CONNECTION)

# Of a database that is starting, stopping, failing over, full or overloaded: a retry may succeed.
TRANSIENT_ERRORS: tuple[type[Exception], ...] = (
    *LOST_CONNECTION,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalServerError,
    asyncpg.PostgresSystemError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # after the process stood still
)
