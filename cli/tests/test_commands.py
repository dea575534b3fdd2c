"""The commands as people type them, on a real broker and database."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from order_platform.settings import KafkaSettings, Subscription
from orderwatch.cli import list_commands
from tests.support.command import Orderwatch


async def publish(settings: KafkaSettings, *values: bytes) -> None:
    async with AIOKafkaProducer(**settings.client_options()) as producer:
        for value in values:
            await producer.send_and_wait(settings.orders_topic, value, key=b"U1", partition=0)


async def commit(settings: KafkaSettings, offset: int, subscription: Subscription | None = None) -> None:
    topic, group = subscription or settings.orders
    async with AIOKafkaConsumer(**settings.client_options(), group_id=group, enable_auto_commit=False) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.commit({partition: offset})


@pytest.mark.parametrize("command", list_commands())
def test_help_teaches(orderwatch: Orderwatch, command: str) -> None:
    result = orderwatch(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_nothing_of_the_command_needs_devstack() -> None:
    script = """if True:
        import importlib, pkgutil, sys
        sys.modules["devstack"] = None
        import orderwatch
        for module in pkgutil.walk_packages(orderwatch.__path__, "orderwatch."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    """
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "command", ["flags", "order", "explain", "lag", "topics", "marts", "audit", "reconcile", "status", "logs"]
)
def test_a_question_has_examples_and_answers_programs(orderwatch: Orderwatch, command: str) -> None:
    output = orderwatch(command, "--help").output
    assert any(text.startswith(f" orderwatch {command}") for text in output.splitlines())
    assert "--json" in output


def test_all_commands_are_listed_without_loading_them(orderwatch: Orderwatch) -> None:
    output = orderwatch("--help").output
    assert all(f"│ {command} " in output for command in list_commands())
    assert "Show an order with its decision" in output


def test_without_a_system_each_command_says_so(orderwatch: Orderwatch) -> None:
    assert "not up" in orderwatch("status").output
    assert "not up" in orderwatch("down").output
    assert json.loads(orderwatch("status", "--json").output) == []
    for command in (
        ["topics"],
        ["lag"],
        ["reconcile"],
        ["migrate"],
        ["logs"],
        ["flags"],
        ["order", "o1"],
        ["explain", "o1"],
    ):
        result = orderwatch(*command)
        assert result.exit_code == 1
        assert "make up" in getattr(result.exception, "advice", "")


def test_clean_deletes_what_is_ours_and_nothing_else(orderwatch: Orderwatch, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "logs").mkdir()
    (tmp_path / "env").write_text("export X=y")
    assert orderwatch("clean").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.integration
async def test_topics_shows_lag_and_last_messages(orderwatch: Orderwatch, elsewhere: KafkaSettings) -> None:
    await publish(elsewhere, *(b'{"order_id": "o%d"}' % number for number in range(5)))
    await commit(elsewhere, 3)
    result = await asyncio.to_thread(orderwatch, "topics", elsewhere.orders_topic, "--last", "2")
    assert result.exit_code == 0
    assert "order_id=o3" in result.output
    assert "order_id=o4" in result.output
    assert "order_id=o2" not in result.output
    answer = json.loads((await asyncio.to_thread(orderwatch, "topics", elsewhere.orders_topic, "--json")).output)
    assert answer["topics"] == [{"name": elsewhere.orders_topic, "partitions": 4, "messages": 5}]
    assert answer["lag"][0] == {"partition": 0, "beginning": 0, "committed": 3, "end": 5, "lag": 2}


@pytest.mark.integration
@pytest.mark.usefixtures("elsewhere")
def test_a_topic_that_is_not_there_is_named(orderwatch: Orderwatch) -> None:
    result = orderwatch("topics", "ordres")
    assert result.exit_code == 1
    assert "ordres" in str(result.exception)


@pytest.mark.integration
async def test_reconcile_exits_1_and_names_what_is_missing(orderwatch: Orderwatch, elsewhere: KafkaSettings) -> None:
    assert (await asyncio.to_thread(orderwatch, "reconcile")).exit_code == 0
    await publish(elsewhere, b"one", b"two")
    await commit(elsewhere, 2)
    result = await asyncio.to_thread(orderwatch, "reconcile")
    assert result.exit_code == 1
    assert "2 consumed messages have no outcome: offsets 0, 1" in result.output
    connection = await asyncpg.connect(os.environ["ORDERWATCH_DATABASE_URL"])
    for offset in (0, 1):
        await connection.execute(
            'insert into stream_outcomes (topic, partition, "offset", outcome) values ($1, 0, $2, $3)',
            *(elsewhere.orders_topic, offset, "dead-letter"),
        )
    await connection.close()
    assert (await asyncio.to_thread(orderwatch, "reconcile", "--decisions")).exit_code == 0


@pytest.mark.integration
async def test_reconcile_and_lag_cover_labels(orderwatch: Orderwatch, elsewhere: KafkaSettings) -> None:
    topic = elsewhere.labels_topic
    async with AIOKafkaProducer(**elsewhere.client_options()) as producer:
        for _ in range(3):
            await producer.send_and_wait(topic, b"x", partition=0)
    shown = await asyncio.to_thread(orderwatch, "lag")
    assert "3 labels wait to be stored" in shown.output
    document = json.loads((await asyncio.to_thread(orderwatch, "lag", "--json")).output)
    assert (document["lag"], document["labels"]["lag"]) == (0, 3)
    waits = await asyncio.to_thread(orderwatch, "reconcile", "--no-wait")
    assert waits.exit_code == 1
    assert f"topic {topic}, partition 0: 3 messages wait: no detector reads this partition" in waits.output

    await commit(elsewhere, 3, elsewhere.labels)
    lost = await asyncio.to_thread(orderwatch, "reconcile")
    assert lost.exit_code == 1
    assert f"topic {topic}, partition 0: 3 consumed messages have no outcome: offsets 0, 1, 2" in lost.output
    connection = await asyncpg.connect(os.environ["ORDERWATCH_DATABASE_URL"])
    await connection.execute(
        'insert into stream_outcomes (topic, partition, "offset", outcome) values ($1, 0, 1, $2)', topic, "dead-letter"
    )
    await connection.execute(
        """
        insert into labels (topic, epoch, partition, "offset", order_id, label, source, labelled_at, appended_at)
        select $1, 1, 0, each, 'o', 'fraud', 'bank', now(), now() from unnest('{0, 2}'::int[]) as each
        """,
        topic,
    )
    await connection.close()
    agrees = await asyncio.to_thread(orderwatch, "reconcile", "--json")
    assert agrees.exit_code == 0, agrees.output
    (partition,) = [each for each in json.loads(agrees.output)["labels"] if each["consumed"]]
    assert (partition["outcomes"]["stored"], partition["outcomes"]["dead_letters"], partition["agrees"]) == (2, 1, True)


@pytest.mark.integration
@pytest.mark.usefixtures("elsewhere")
async def test_reconcile_compares_decisions(orderwatch: Orderwatch, elsewhere: KafkaSettings) -> None:
    async with AIOKafkaProducer(**elsewhere.client_options()) as producer:
        await producer.send_and_wait(elsewhere.decisions_topic, b'{"order_id": "o1", "outcome": "approve"}')
    result = await asyncio.to_thread(orderwatch, "reconcile", "--decisions")
    assert result.exit_code == 1
    assert "1 orders are published, but not stored: o1" in result.output


@pytest.mark.integration
@pytest.mark.usefixtures("elsewhere")
def test_migrate_can_be_repeated(orderwatch: Orderwatch) -> None:
    result = orderwatch("migrate")
    assert result.exit_code == 0
    assert "topics: all there" in result.output
