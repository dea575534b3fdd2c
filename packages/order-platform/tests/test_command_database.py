"""What a command does on Postgres ends, and says why, when there is no prospect of a response."""

import asyncio
import time

import asyncpg
import pytest

from order_platform.command_line import database
from order_platform.command_line.database import open_connection
from tests.support.hanging_proxy import HangingProxy

pytestmark = pytest.mark.integration

LOCK = "lock table orders in access exclusive mode"


@pytest.fixture(autouse=True)
def _frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(database, "CONNECT_SECONDS", 0.5)


async def test_a_long_query_has_no_limit(database_url: str) -> None:
    async with open_connection(database_url, lock_seconds=0.2) as connection:
        assert await connection.fetchval("select 7 from pg_sleep(1.2)") == 7


async def test_a_server_that_hangs_ends_the_wait_also_of_a_rollback(database_url: str) -> None:
    async with HangingProxy(database_url) as proxy:

        async def work() -> None:
            async with open_connection(proxy.url) as connection, connection.transaction():
                await connection.fetchval("select 1")
                proxy.hang()
                await connection.fetchval("select 1")

        with pytest.raises(TimeoutError, match="no response for 1 s"):
            await work()


async def test_a_server_that_hangs_from_the_beginning_is_named(database_url: str) -> None:
    async with HangingProxy(database_url) as proxy:
        proxy.hang()
        with pytest.raises(TimeoutError, match=r"no response for 0\.3 s"):
            async with open_connection(proxy.url, connect_seconds=0.3):
                pass


async def test_a_lock_of_another_session_is_reported_and_waited_for_within_a_limit(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_connection(database_url) as other, other.transaction():
        await other.execute(LOCK)
        session = other.get_server_pid()
        with pytest.raises(TimeoutError, match=rf"another session \(process {session}\) held a lock"):
            async with open_connection(database_url, lock_seconds=0.4) as connection:
                await connection.fetchval("select count(*) from orders")

    [line] = capsys.readouterr().err.splitlines()
    assert (
        line
        == f"Postgres: another session (process {session}) holds a lock that is needed; waiting for it, at most 0.4 s."
    )


async def test_a_lock_that_is_released_is_waited_for(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_connection(database_url) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(LOCK)
        async with open_connection(database_url, lock_seconds=None) as connection:
            counting = asyncio.create_task(connection.fetchval("select count(*) from orders"))
            await asyncio.sleep(0.6)
            await transaction.rollback()
            assert await counting == 0
    assert capsys.readouterr().err.count("waiting for it.") == 1


async def test_a_cancelled_command_waits_for_no_rollback(database_url: str) -> None:
    async with HangingProxy(database_url) as proxy:

        async def work() -> None:
            async with open_connection(proxy.url) as connection, connection.transaction():
                await connection.execute("select pg_sleep(60)")

        working = asyncio.create_task(work())
        await asyncio.sleep(0.3)
        proxy.hang()
        working.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert time.monotonic() - started < 2


async def test_what_the_server_refuses_is_its_own_error(database_url: str) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with open_connection(database_url) as connection:
            await connection.execute("select * from nothing")
