"""A command says what it waits for, and ends at once at Ctrl-C, also in a transaction on a Postgres that hangs."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

import asyncpg

from order_platform.settings import KafkaSettings
from tests.support.hanging_proxy import HangingProxy
from tests.support.service import environment

COMMANDS = (
    ("fraud_detector", "replay", "--from", "2026-11-01", "--to", "2026-11-02"),
    ("fraud_detector", "features", "verify"),
    ("orderwatch", "migrate"),
)
PATIENCE_SECONDS = 5
"""Of a person who pressed Ctrl-C."""


async def test_a_command_that_waits_for_a_lock_of_a_database_that_hangs_ends_at_ctrl_c(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    async def start(*command: str) -> Process:
        variables = environment(kafka_settings, proxy.url)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, env=variables, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )

    async def interrupt(process: Process) -> tuple[int, bytes]:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await process.wait(), await process.stderr.read()

    connection = await asyncpg.connect(database_url)
    try:
        async with HangingProxy(database_url) as proxy, connection.transaction():
            await connection.execute("lock table orders, alembic_version in access exclusive mode")
            processes = await asyncio.gather(*(start(*each) for each in COMMANDS))
            try:
                for each in processes:
                    assert each.stderr is not None
                    assert b"holds a lock that is needed" in await asyncio.wait_for(each.stderr.readline(), 30)
                proxy.hang()
                ended = await asyncio.gather(*(interrupt(each) for each in processes))
            finally:
                for each in processes:
                    if each.returncode is None:
                        each.kill()
                        await each.wait()
    finally:
        await connection.close()

    assert [code for code, _ in ended] == [130] * len(COMMANDS)
    assert all(b"Traceback" not in said for _, said in ended)
