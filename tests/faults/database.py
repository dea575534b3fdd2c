"""A migrated database on a server of the test's own."""

import asyncpg

from devstack.postgres import EmbeddedPostgres
from order_platform.postgres.migrations import upgrade


async def new_database(server: EmbeddedPostgres) -> str:
    """Its URL."""
    connection = await asyncpg.connect(server.url())
    await connection.execute("create database orderwatch")
    await connection.close()
    url = server.url("orderwatch")
    await upgrade(url)
    return url
