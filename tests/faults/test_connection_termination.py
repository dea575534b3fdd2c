"""A database sends its last error before it closes connections: a query between the two reconnects, without a crash."""

import asyncpg
import pytest

from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch, Gap
from fraud_detector.stream.ports import DependencyUnavailableError
from fraud_detector.stream.postgres_store import PostgresStore
from order_api.http.problems.availability import DatabaseUnavailable
from order_api.kit.database import open_database
from tests.support.deaf_proxy import DeafProxy

pytestmark = pytest.mark.integration

_END_OTHERS = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


async def test_what_asyncpg_makes_of_it(database_url: str) -> None:
    """Should this fail one day, then asyncpg has repaired it, and our handling can go."""
    async with DeafProxy(database_url) as proxy:
        connection = await asyncpg.connect(proxy.url)
        await _end_connections(database_url, proxy)
        with pytest.raises(asyncpg.InternalClientError):
            await connection.execute("select 1")
        connection.terminate()


async def test_the_detector_connects_again(database_url: str) -> None:
    async with DeafProxy(database_url) as proxy:
        store = PostgresStore(proxy.url, topic="orders", rulesets=[load_ruleset()])
        progress = Batch(gaps=[Gap(0, 3, 5, "retention")])
        for use in (store.check, lambda: store.store(progress)):
            await use()
            await _end_connections(database_url, proxy)
            with pytest.raises(DependencyUnavailableError, match="InternalClientError"):
                await use()
            await use()
        await store.close()


async def test_the_api_connects_again(database_url: str) -> None:
    async with DeafProxy(database_url) as proxy, open_database(proxy.url) as database:
        await database.fetch("select 1")
        await _end_connections(database_url, proxy)
        with pytest.raises(DatabaseUnavailable):
            await database.fetch("select 1")
        await database.fetch("select 1")


async def _end_connections(database_url: str, proxy: DeafProxy) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(_END_OTHERS)
    await connection.close()
    await proxy.hung_up()
