"""What asyncpg raises when the database does not do what it is asked."""

import asyncpg

# A connection that is not made, or breaks while it is in use.
LOST_CONNECTION: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A server that goes says so before it hangs up; a query between the two is refused with this, an error of asyncpg's
    # own that is neither of the above.
    asyncpg.InternalClientError,
)

# That, and everything that the database itself answers.
DATABASE_ERRORS: tuple[type[Exception], ...] = (asyncpg.PostgresError, *LOST_CONNECTION)
