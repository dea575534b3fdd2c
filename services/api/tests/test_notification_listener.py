"""News, from a real database."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from order_api.kit.notification_listener import PostgresListener
from order_contract.notifications import RECORDED_CHANNEL
from tests.support.waiting import until

LISTENERS = """
    select pid from pg_stat_activity
    where application_name = 'order-api news' and datname = current_database() and query ilike 'listen%'
"""


@pytest.fixture
async def notified(database_url: str, connection: asyncpg.Connection) -> AsyncIterator[list[str]]:
    """The tables that a listener is notified of."""
    tables: list[str] = []
    news = PostgresListener(database_url, {RECORDED_CHANNEL: tables.append}, retry_seconds=0.01)
    news.listen()
    news.listen()  # once is enough
    await _listening(connection)
    yield tables
    await news.close()


async def _listening(connection: asyncpg.Connection, other_than: int | None = None) -> int:
    async def is_there() -> bool:
        return await connection.fetchval(LISTENERS) not in (None, other_than)

    await until(is_there, "a connection that listens")
    return int(await connection.fetchval(LISTENERS))


async def test_each_commit_is_notified_once(notified: list[str], store: Any, order: Any) -> None:
    await store(order("a"), order("b"))
    await until(lambda: notified == ["orders"], "the notification")


async def test_other_outcomes_are_notified_by_their_table(notified: list[str], connection: asyncpg.Connection) -> None:
    await connection.execute(
        "insert into stream_outcomes (topic, partition, \"offset\", outcome) values ('orders', 0, 1, 'dead-letter')"
    )
    await until(lambda: notified == ["stream_outcomes"], "the notification")


async def test_a_lost_connection_is_made_again(
    notified: list[str], connection: asyncpg.Connection, store: Any, order: Any
) -> None:
    lost = await _listening(connection)
    await connection.execute("select pg_terminate_backend($1)", lost)
    await _listening(connection, other_than=lost)
    await store(order("a"))
    await until(lambda: notified == ["orders"], "the notification")
