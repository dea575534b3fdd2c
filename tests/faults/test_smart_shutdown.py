"""SIGTERM to PostgreSQL asks it to wait for its clients: it shuts down all the same, and everything recovers."""

import asyncio
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from devstack.kafka import EmbeddedKafka
from devstack.paths import SystemPaths
from devstack.postgres import EmbeddedPostgres
from devstack.process_specs import ProcessSpec
from devstack.smart_shutdown import is_shutting_down
from devstack.supervisor import Supervisor, take_down
from order_api.auth.keys import create_key
from order_platform.kafka.topics import ensure_topics
from order_platform.postgres.shutdown_watch import close_connections
from order_platform.settings import KafkaSettings
from tests.faults.database import new_database
from tests.faults.load import Load, under
from tests.support import embedded
from tests.support.api import ApiProcess
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.ledger import Ledger
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.integration


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[Supervisor, EmbeddedPostgres]]:
    """A PostgreSQL that a supervisor runs, without other services."""
    paths = SystemPaths(tmp_path / "home")
    paths.make_private()
    server = embedded.new_postgres(paths.postgres)
    server.prepare()
    supervisor = Supervisor(paths)
    supervisor.configure(
        [
            ProcessSpec(
                "postgres", tuple(server.command()), 0, 60, server.port, "", stop_signal="INT", folder=server.home,
                environment={"ORDERWATCH_POSTGRES_PORT": str(server.port)},
            )
        ]
    )  # fmt: skip
    supervisor.start()
    supervisor.start_program("postgres")
    try:
        eventually(lambda: asyncio.run(server.probe()) is None, "PostgreSQL to serve")
        yield supervisor, server
    finally:
        take_down(supervisor)
        shutil.rmtree(paths.runtime, ignore_errors=True)


async def test_the_supervisor_finishes_it_while_a_client_stays(
    supervised: tuple[Supervisor, EmbeddedPostgres],
) -> None:
    supervisor, server = supervised
    stubborn = await asyncpg.connect(server.url())
    first = supervisor.states()["postgres"].pid
    assert first is not None
    os.kill(first, signal.SIGTERM)
    assert await stubborn.fetchval("select 1") == 1
    await until(lambda: supervisor.states()["postgres"].pid not in {None, first}, "another server", within=30)
    await until(lambda: _serves(server), "it to serve", within=30)
    stubborn.terminate()


async def test_clients_leave_by_themselves_under_load_and_decide_again(
    private_kafka: EmbeddedKafka, private_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Without a supervisor that would finish it."""
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers, consumer_group=f"g-{uuid.uuid4().hex[:8]}")
    await ensure_topics(settings)
    url = await new_database(private_postgres)
    key = await _new_key(url)
    ledger = Ledger()
    load = Load(settings, ledger, rate=200)
    with (
        DetectorProcess(settings, url, tmp_path / "detector.log") as detector,
        ApiProcess(settings, url, tmp_path / "api.log") as api,
    ):
        async with (
            httpx.AsyncClient(
                base_url=api.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30
            ) as client,
            under(load),
        ):
            # Several connections of the pool, and the one that listens.
            waits = [client.get(f"/v1/orders/none-{n}", params={"wait": "2s"}) for n in range(6)]
            assert {response.status_code for response in await asyncio.gather(*waits)} == {404}
            await until(lambda: _has_stored(url), "orders to be stored")
            server = psutil.Process(private_postgres.pid)
            server.send_signal(signal.SIGTERM)
            await until(lambda: not private_postgres.running, "the server to end", within=60)
            private_postgres.start()
            await asyncio.to_thread(private_postgres.wait_ready)
            before = await _count(url)
            await until(lambda: _has_stored(url, more_than=before), "orders to be stored again")
            await until(lambda: _answers(client), "the API to answer again")
        await until_consumed(settings, "the detector to catch up", within=60)
        assert detector.terminate() == 0
    await ledger.verify(settings, url)


async def test_a_pool_is_emptied_and_used_again(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=4) as pool:
        connections = [await pool.acquire() for _ in range(4)]
        in_use = connections.pop()
        for connection in connections:
            await pool.release(connection)
        old = {in_use.get_server_pid()}
        await close_connections(pool)
        await pool.release(in_use)
        assert await pool.fetchval("select pg_backend_pid()") not in old


def test_only_a_server_that_shuts_down_is_taken_for_one(private_postgres: EmbeddedPostgres) -> None:
    assert not is_shutting_down(private_postgres.port)
    private_postgres.terminate()
    assert not is_shutting_down(private_postgres.port)


async def _serves(server: EmbeddedPostgres) -> bool:
    return await server.probe() is None


async def _new_key(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return (await create_key(connection, "test", "read"))[1]
    finally:
        await connection.close()


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("select count(*) from orders")
        return count
    finally:
        await connection.close()


async def _has_stored(url: str, more_than: int = 0) -> bool:
    return await _count(url) > more_than


async def _answers(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/orders")).status_code == 200
