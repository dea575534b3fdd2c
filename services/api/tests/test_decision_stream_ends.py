"""Streams of live decisions over time: a revoked key, a stop, their age, many at once, and a broker that fails."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from devstack.kafka import EmbeddedKafka
from order_api.auth.keys import revoke_key
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.decision_streams import PATH, StreamHarness, harness_at, serving
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def test_a_revoked_key_ends_its_stream(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any
) -> None:
    async with (
        serving(kafka_settings, database_url, check_seconds=0.1) as url,
        harness_at(url, connection, kafka_settings, order) as harness,
    ):
        async with harness.listening() as listener:
            await listener.started()
            await harness.publish("a")
            assert await listener.orders(1) == ["a"]
            assert await revoke_key(connection, harness.key.split("_")[1])
            await listener.ended()
        assert (await harness.client.get(PATH)).status_code == 401


async def test_a_stop_ends_all_streams_at_once(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any, tmp_path: Path
) -> None:
    with ApiProcess(kafka_settings, database_url, tmp_path / "api.log") as api:
        async with (
            harness_at(api.url, connection, kafka_settings, order) as harness,
            harness.listening() as one,
            harness.listening(flagged="true") as other,
        ):
            await one.started()
            await other.started()
            stopping = asyncio.create_task(asyncio.to_thread(api.terminate))
            await one.ended()
            await other.ended()
            assert await stopping == 0
    assert "Traceback" not in api.log.read_text()


async def test_streams_end_after_their_time_and_can_be_resumed(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any
) -> None:
    got: list[str] = []
    last_id: str | None = None
    async with (
        serving(kafka_settings, database_url, api_stream_seconds=0.3) as url,
        harness_at(url, connection, kafka_settings, order) as harness,
    ):
        publishing = asyncio.create_task(harness.publish(*[f"o{number}" for number in range(2000)], partition=3))
        while len(got) < 2000:
            async with harness.listening(last_id, **{"from": "beginning"}) as listener:
                got += [orjson.loads(event.data)["order_id"] async for event in listener.until_its_end()]
                last_id = listener.last_id or last_id
        await publishing
    assert got == [f"o{number}" for number in range(2000)]


async def test_five_hundred_listeners_each_get_everything_in_order(
    kafka_settings: KafkaSettings, database_url: str, connection: asyncpg.Connection, order: Any, tmp_path: Path
) -> None:
    ids = [f"o{number}" for number in range(20)]
    started = asyncio.Barrier(501)

    # Who connects must have sent its request within seconds, which 500 clients in one busy process cannot.
    connecting = asyncio.Semaphore(25)

    async def listen(harness: StreamHarness) -> list[str]:
        async with AsyncExitStack() as stack:
            async with connecting:
                listener = await stack.enter_async_context(harness.listening())
                await listener.started()
            await started.wait()
            return await listener.orders(len(ids))

    with ApiProcess(kafka_settings, database_url, tmp_path / "api.log") as api:
        async with harness_at(api.url, connection, kafka_settings, order) as harness:
            # In a group, as the barrier waits for ever when a listener fails.
            async with asyncio.TaskGroup() as group:
                listeners = [group.create_task(listen(harness)) for _ in range(500)]
                await started.wait()
                await harness.publish(*ids, partition=2)
            assert [listener.result() for listener in listeners] == [ids] * 500
            await until(lambda: _is_forgotten(harness), "the streams to be forgotten")


async def _is_forgotten(harness: StreamHarness) -> bool:
    return "orderwatch_api_decision_streams 0.0" in (await harness.client.get("/metrics")).text


async def test_the_broker_fails_and_recovers(
    private_kafka: EmbeddedKafka, database_url: str, connection: asyncpg.Connection, order: Any
) -> None:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers)
    await ensure_topics(settings)
    async with (
        serving(settings, database_url) as url,
        harness_at(url, connection, settings, order) as harness,
        harness.listening() as listener,
    ):
        await listener.started()
        await harness.publish("a")
        assert await listener.orders(1) == ["a"]
        await asyncio.to_thread(private_kafka.terminate)
        # A client that connects in the meantime waits, too.
        async with harness.listening() as newcomer:
            private_kafka.start()
            await asyncio.to_thread(private_kafka.wait_ready)
            await newcomer.started()
            await harness.publish("b")
            assert await listener.orders(1) == ["b"]
            assert await newcomer.orders(1) == ["b"]
