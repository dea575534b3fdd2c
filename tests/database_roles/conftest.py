"""A server whose databases were prepared as `make up` and `docker compose up` prepare them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import pytest

from devstack.postgres import EmbeddedPostgres
from order_platform.postgres.migrations import upgrade
from order_platform.postgres.provisioning import AIRFLOW_DATABASE, ORDERS_DATABASE, create_roles, provision_database
from order_platform.postgres.roles import DatabaseRole
from tests.support import embedded


class Prepared(NamedTuple):
    """The server, and each role's password."""

    server: EmbeddedPostgres
    passwords: dict[DatabaseRole, str]

    def url(self, role: DatabaseRole, database: str = ORDERS_DATABASE.name) -> str:
        """How a role connects."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.server.port}/{database}"

    @asynccontextmanager
    async def connected(
        self, role: DatabaseRole, database: str = ORDERS_DATABASE.name
    ) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection as a role."""
        connection = await asyncpg.connect(self.url(role, database))
        try:
            yield connection
        finally:
            await connection.close()

    async def prepare(self) -> None:
        """What starting the system does."""
        await create_roles(self.server.url(), self.passwords)
        for database in (ORDERS_DATABASE, AIRFLOW_DATABASE):
            await provision_database(self.server.url(), database)
        await upgrade(self.url(DatabaseRole.MIGRATOR))


@pytest.fixture(scope="package")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """A prepared server, shared by the tests of this folder."""
    server = embedded.new_postgres(tmp_path_factory.mktemp("roles") / "postgres")
    with embedded.serving(server):
        prepared = Prepared(server, {role: secrets.token_urlsafe(24) for role in DatabaseRole})
        asyncio.run(prepared.prepare())
        yield prepared


@pytest.fixture
def earlier_release(private_postgres: EmbeddedPostgres) -> Callable[[], Prepared]:
    """A server of a test's own, not prepared yet."""
    return lambda: Prepared(private_postgres, {role: secrets.token_urlsafe(24) for role in DatabaseRole})
