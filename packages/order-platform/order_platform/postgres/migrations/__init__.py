"""The database schema, as Alembic migrations: `upgrade` brings a database, and who may do what in it, to what this
version needs."""

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from order_contract.advisory_locks import AdvisoryLock
from order_platform.postgres.migrations.grants import apply_grants
from order_platform.postgres.migrations.session_settings import apply_session_settings

# Two processes that start together must not migrate side by side.
_LOCK = f"select pg_advisory_xact_lock({AdvisoryLock.MIGRATION:d})"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


async def upgrade(
    database_url: str, orders_topic: str = "orders", connection: asyncpg.Connection | None = None
) -> tuple[str | None, str | None]:
    """Migrate the database at `postgresql://...` to the newest schema; returns the revisions (before, after).

    Afterwards the roles that exist hold what postgres/roles.py says, PUBLIC nothing, and sessions have their settings.
    It is done on `connection` when that is given, which is closed then.
    `orders_topic` is where the orders came from that were stored before rows named their topic.
    Safe to repeat and to run in several places at once: a lock lets one migrate, the others find it done.
    Raises OSError and asyncpg's errors.
    """

    async def connect() -> asyncpg.Connection:
        # As everywhere else: SQLAlchemy would pass the URL's TLS parameters on under names that asyncpg lacks.
        return await asyncpg.connect(database_url) if connection is None else connection

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)

    def migrate(connection: Connection) -> tuple[str | None, str | None]:
        config = _config()
        config.attributes["connection"] = connection
        config.attributes["orders_topic"] = orders_topic
        connection.execute(text(_LOCK))
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(config, "head")
        apply_grants(connection)
        apply_session_settings(connection)
        return before, ScriptDirectory.from_config(config).get_current_head()

    try:
        async with engine.begin() as transaction:
            return await transaction.run_sync(migrate)
    except DBAPIError as error:
        raise (error.orig and error.orig.__cause__) or error from None
    finally:
        await engine.dispose()
