"""A broker that hangs: it accepts connections, keeps them, and does not respond."""

import asyncio
import os
import signal
import time
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from order_api.app import create_app
from order_api.auth.keys import create_key
from order_api.kit.lag_monitor import FRESH_SECONDS
from order_api.kit.timeouts import ProgressTimeout
from order_api.settings import ApiSettings
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.waiting import until

pytestmark = pytest.mark.integration

PATH = "/v1/dead-letters"
# What is promised is five; without a bound it was forty.
SECONDS = 30.0


async def test_dead_letters_do_without_a_broker_that_hangs(
    private_kafka: Any, connection: asyncpg.Connection, database_url: str
) -> None:
    """Connected to before it hangs, and afterwards."""
    settings = ApiSettings(database_url=SecretStr(database_url), kafka=private_kafka.bootstrap_servers)
    await ensure_topics(KafkaSettings(kafka=private_kafka.bootstrap_servers))
    await connection.executemany(
        """
        insert into stream_outcomes (topic, partition, "offset", outcome, order_id, error_type, error)
        values ('orders', 0, $1, 'dead-letter', 'o', 'bad-value', 'country must be a code')
        """,
        [(0,), (1,), (2,)],
    )
    _, key = await create_key(connection, "operations", "admin")
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api", headers={"Authorization": f"Bearer {key}"}
        ) as client,
    ):

        async def is_ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        async def is_readable() -> bool:
            return (await client.get(f"{PATH}/orders/0/0")).json()["message_problem"] is None

        async def is_answered() -> bool:
            return (await client.post(f"{PATH}/orders/0/1/redrive")).status_code == 410

        await until(is_ready, "the broker's coordinator")
        os.kill(private_kafka.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(2 * FRESH_SECONDS)  # for as long the last lag is taken for the present one
            for _ in range(2):
                started = time.monotonic()
                details, one, many, ready, unknown = await asyncio.gather(
                    client.get(f"{PATH}/orders/0/0"),
                    client.post(f"{PATH}/orders/0/1/redrive"),
                    client.post(f"{PATH}/redrive", json={"error_type": "bad-value"}),
                    client.get("/readyz"),
                    client.get("/v1/orders/unknown"),
                )
                assert time.monotonic() - started < SECONDS
                assert details.status_code == 200
                assert (details.json()["order_id"], details.json()["message"]) == ("o", None)
                assert "Kafka does not respond" in details.json()["message_problem"]
                for response in (one, many):
                    assert (response.status_code, response.json()["code"]) == (503, "broker-unavailable")
                    assert response.headers["retry-after"]
                assert "kafka" in ready.json()["detail"]
                assert unknown.json()["lag"] is None
        finally:
            os.kill(private_kafka.pid, signal.SIGCONT)
        # What was given up has let go of the turn; nothing was published.
        await until(is_readable, "dead letters to be readable again")
        await until(is_answered, "redrives to be possible again")
    assert await connection.fetchval("select count(*) from redrives") == 0


async def test_work_that_moves_is_not_given_up() -> None:
    done: list[int] = []

    async def work() -> str:
        for number in range(8):
            await asyncio.sleep(0.02)
            done.append(number)
        return "done"

    assert await ProgressTimeout(0.05).run(work(), lambda: len(done)) == "done"
    with pytest.raises(TimeoutError):
        await ProgressTimeout(0.05).run(asyncio.sleep(60), lambda: len(done))


async def test_a_client_that_leaves_ends_its_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    running = asyncio.create_task(ProgressTimeout(30).run(work()))
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    async with asyncio.timeout(60):
        await ended.wait()
