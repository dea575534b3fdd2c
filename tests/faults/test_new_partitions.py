"""Partitions that are added to the topic: read within a minute, and counted until then."""

import asyncio
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from order_platform.settings import KafkaSettings
from tests.support.broker_topics import add_partitions
from tests.support.command import Orderwatch
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order


@pytest.mark.integration
async def test_messages_of_a_new_partition_are_missed_by_nothing(
    elsewhere: KafkaSettings, database_url: str, orderwatch: Orderwatch, tmp_path: Path
) -> None:
    settings = elsewhere
    with DetectorProcess(settings, database_url, tmp_path / "detector.log") as detector:
        async with AIOKafkaProducer(**settings.client_options()) as producer:
            await producer.send_and_wait(settings.orders_topic, orjson.dumps(plain_order("o0")), partition=0)
        await until_consumed(settings, "the first order to be consumed")
        await add_partitions(settings, settings.orders_topic, 6)
        async with AIOKafkaProducer(**settings.client_options()) as producer:
            for number in range(1, 7):
                partition = 4 + number % 2
                await producer.send_and_wait(
                    settings.orders_topic, orjson.dumps(plain_order(f"o{number}")), partition=partition
                )
        done = await asyncio.to_thread(orderwatch, "reconcile", "--no-wait")
        if done.exit_code == 0:  # the detector was quicker
            assert "3" in done.stdout
        else:
            assert "3 messages wait: no detector reads this partition" in done.stdout
            assert "exactly one outcome" not in done.stdout
        await until_consumed(settings, "the new partitions to be read", within=60)
        assert detector.terminate() == 0
    done = await asyncio.to_thread(orderwatch, "reconcile")
    assert done.exit_code == 0, done.stdout


@pytest.mark.integration
async def test_messages_that_nothing_reads_are_a_difference(elsewhere: KafkaSettings, orderwatch: Orderwatch) -> None:
    settings = elsewhere
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for number in range(5):
            await producer.send_and_wait(
                settings.orders_topic, orjson.dumps(plain_order(f"o{number}")), partition=number % 2
            )
    for options in (["--no-wait"], ["--wait", "0.5"]):
        done = await asyncio.to_thread(orderwatch, "reconcile", *options)
        assert done.exit_code == 1
        assert "partition 0: 3 messages wait: no detector reads this partition" in done.stdout
        assert "partition 1: 2 messages wait" in done.stdout
        assert "exactly one outcome" not in done.stdout
