"""`orderwatch migrate`: brings the schema to this version and creates missing topics, here or elsewhere."""

import asyncio

import asyncpg

from order_platform.command_line.output import OUT
from order_platform.kafka.topics import ensure_topics
from order_platform.postgres.migrations import upgrade
from order_platform.postgres.roles import DatabaseRole
from order_platform.settings import DatabaseSettings
from orderwatch.connections import (
    database_settings,
    kafka_settings,
    open_database,
    translate_broker_errors,
    translate_database_errors,
)
from orderwatch.environment import MIGRATE_ENV

_ROLES = "select rolname from pg_roles where rolname = any($1)"


def migrate() -> None:
    """Bring the database schema to this version and create missing topics; safe to repeat.

    Acts on the system that ORDERWATCH_KAFKA and ORDERWATCH_DATABASE_URL name, or on the one in this checkout.
    The database role is the owner of the database; the roles of the processes that exist get their privileges:
    docs/security.md.
    """
    kafka, database = kafka_settings(), database_settings(MIGRATE_ENV)
    with translate_database_errors(database):
        before, after, missing = asyncio.run(_upgrade(database, kafka.orders_topic))
    with translate_broker_errors(kafka):
        created = asyncio.run(ensure_topics(kafka))
    OUT.print(f"schema: {after}" if before == after else f"schema: {before or 'none'} -> {after}")
    if missing:
        OUT.print(f"roles: nothing was granted to {', '.join(missing)}, which do not exist: docs/security.md")
    else:
        OUT.print("roles: each holds what it needs")
    OUT.print(f"topics: created {', '.join(created)}" if created else "topics: all there")


async def _upgrade(database: DatabaseSettings, orders_topic: str) -> tuple[str | None, str | None, list[str]]:
    """The revisions before and after, and the roles that are missing.

    A lock is waited for without limit: another process that migrates holds one for as long as that takes.
    """
    async with open_database(database, lock_seconds=None) as connection:
        before, after = await upgrade(database.database_url.get_secret_value(), orders_topic, connection)
    async with open_database(database) as connection:
        return before, after, await _find_missing_roles(connection)


async def _find_missing_roles(connection: asyncpg.Connection) -> list[str]:
    """Roles of our processes that the server does not have; Airflow's has nothing in this database."""
    wanted = [role for role in DatabaseRole if role is not DatabaseRole.AIRFLOW]
    found = {name for (name,) in await connection.fetch(_ROLES, wanted)}
    return [role for role in wanted if role not in found]
