"""`explain` on what a real detector made of the producer's orders and of broken ones, on a real broker and database."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from marketplace_simulator import World
from marketplace_simulator.generator import GeneratorConfig, past_orders
from order_platform.kafka.topic_reader import SINGLE_MESSAGES, KeySearch, Missing, TopicReader
from order_platform.kafka.topics import MAX_ORDER_BYTES
from order_platform.settings import KafkaSettings
from orderwatch.explain import build_explanation
from orderwatch.explain.evidence_loader import EvidenceLoader
from tests.integration.test_seed_lines import BROKEN, line, seed_order
from tests.support.command import Orderwatch
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess

pytestmark = pytest.mark.integration

ORDERS = 1_200


async def publish(settings: KafkaSettings, messages: Collection[tuple[bytes | None, bytes | None]]) -> None:
    """Keys and values, acknowledged."""
    producer = AIOKafkaProducer(**settings.client_options(), max_request_size=MAX_ORDER_BYTES)
    async with producer:
        sent = [await producer.send(settings.orders_topic, value, key=key) for key, value in messages]
        await asyncio.gather(*sent)


async def decide(settings: KafkaSettings, database_url: str, log: Path) -> None:
    """Run a detector until everything on the topic has an outcome."""
    with DetectorProcess(settings, database_url, log) as detector:
        await until_consumed(settings, "every message to be finished")
        assert detector.terminate() == 0


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def delete_everything(settings: KafkaSettings, topic: str) -> None:
    """As retention would."""
    admin = AIOKafkaAdminClient(**settings.client_options())
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, part): RecordsToDelete(-1) for part in range(4)})
    finally:
        await admin.close()


async def asked(orderwatch: Orderwatch, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer; in a thread, as the command has an event loop of its own."""
    result = await asyncio.to_thread(orderwatch, "explain", *arguments, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def differences(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By section, those that have some."""
    return {section["name"]: section["differences"] for section in answer["sections"] if section["differences"]}


async def test_a_thousand_orders_and_every_unstored_message_are_consistent_until_one_is_changed(
    orderwatch: Orderwatch, elsewhere: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(20261122)
    generated = [
        (each.key, each.value) for each in past_orders(GeneratorConfig(World(), seed=3), date(2026, 11, 1), 20, ORDERS)
    ]
    seeds = [seed_order(chance) for _ in range(100)]
    large = {**seed_order(chance), "note": "n" * 5 * 2**20}
    lines = [line(order) for order in [*seeds, large]] + [make(seed_order(chance)) for make in BROKEN]
    lines += [line(order) for order in seeds[:5]]
    lines += [line({**order, "quantity": order["quantity"] + 1}) for order in seeds[5:10]]
    # With the same key, a repeated order comes after the first.
    await publish(elsewhere, generated + [(b"seed", each) for each in lines])
    await decide(elsewhere, database_url, tmp_path / "detector.log")

    stored = len(generated) + 101
    for wanted, sample in ((100, 100), (stored * 2, stored)):
        code, answer = await asked(orderwatch, "--sample", str(wanted))
        assert (code, answer["orders"], answer["disagree"]) == (0, sample, [])
        assert answer["compared"] == dict.fromkeys(("message", "event", "decision", "published_decision"), sample)

    async with connected(database_url) as connection:
        outcomes = await connection.fetch('select outcome, partition, "offset" from stream_outcomes')
    assert len(outcomes) == len(BROKEN) + 10
    async with connected(database_url) as connection, TopicReader(elsewhere, **SINGLE_MESSAGES) as records:
        loader = EvidenceLoader(elsewhere, connection, records)
        for outcome, partition, offset in outcomes:
            explanation = build_explanation(await loader.load(f"{elsewhere.orders_topic}/{partition}/{offset}"))
            assert explanation.agrees, explanation.sentences()
            assert explanation.sections[1].facts["outcome"] == outcome
            assert explanation.sections[1].checked is not None
            assert (explanation.sections[2].checked is None) is (outcome == "duplicate")

    changed = next(order["order_id"] for order in seeds if order["country"] != "ID")
    async with connected(database_url) as connection:
        before = await connection.fetchval("select outcome from orders where order_id = $1", changed)
        after = "review" if before == "decline" else "decline"
        await connection.execute("update orders set outcome = $2 where order_id = $1", changed, after)
    code, answer = await asked(orderwatch, changed)
    assert code == 1
    expected = [{"field": "outcome", "stored": after, "here": before}]
    assert differences(answer) == {"decision": expected, "published_decision": expected}
    code, answer = await asked(orderwatch, "--sample", str(stored))
    assert code == 1
    assert [each["subject"] for each in answer["disagree"]] == [f"order {changed}"]


async def test_an_order_shows_what_else_came_with_its_id_and_survives_retention(
    orderwatch: Orderwatch, elsewhere: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    order = {**seed_order(random.Random(1)), "order_id": "INV/2026/0001", "country": "SG"}
    await publish(elsewhere, [(b"u", line(order)), (b"u", line(order)), (b"u", line({**order, "country": "MY"}))])
    await decide(elsewhere, database_url, tmp_path / "detector.log")

    shown = (await asyncio.to_thread(orderwatch, "explain", "INV/2026/0001")).stdout
    assert "foreign-country" in shown
    assert 'country != "ID"' in shown
    assert "country=SG" in shown
    assert "identical to the byte" in shown
    code, answer = await asked(orderwatch, "INV/2026/0001")
    assert code == 0
    [others] = [each["rows"] for each in answer["sections"] if each["name"] == "related_messages"]
    assert [each["outcome"] for each in others] == ["duplicate", "conflict"]
    origin = answer["sections"][0]["facts"]
    place = f"{origin['topic']}/{origin['partition']}/{origin['offset']}"
    assert (await asked(orderwatch, place))[1] == answer

    for topic in (elsewhere.orders_topic, elsewhere.decisions_topic):
        await delete_everything(elsewhere, topic)
    code, answer = await asked(orderwatch, place)  # found without the message, too
    assert (code, answer["subject"]) == (0, "order INV/2026/0001")
    assert "retention deleted it" in answer["sections"][0]["notes"][0]
    assert answer["verdict"].endswith("compared: decision.")
    code, answer = await asked(orderwatch, others[1]["origin"])
    assert code == 0
    assert answer["sections"][2]["facts"]["value"] == line({**order, "country": "MY"}).decode()


async def test_what_is_unknown_is_reported_with_what_to_do(
    orderwatch: Orderwatch, elsewhere: KafkaSettings, database_url: str
) -> None:
    topic = elsewhere.orders_topic
    await publish(elsewhere, [(b"u", line(seed_order(random.Random(1))))])
    async with connected(database_url) as connection:
        await connection.execute("insert into stream_gaps values ($1, 1, 100, 120, 'retention')", topic)
    expected = {
        "o1": "nothing is recorded of order 'o1'",
        f"{topic}/1/110": "lies in a recorded gap, offsets 100 to 119: retention",
        f"{topic}/9/0": "has no partition 9",
        f"{topic}/1/99": "ends before offset 99",
    }
    async with TopicReader(elsewhere, **SINGLE_MESSAGES) as finder:
        partitions = await finder.partitions(topic)
        written = [part.partition for part, end in (await finder.bounds(partitions))[1].items() if end]
    expected[f"{topic}/{written[0]}/0"] = "though the message is there"
    for text, problem in expected.items():
        result = await asyncio.to_thread(orderwatch, "explain", text)
        assert result.exit_code == 1
        assert problem in str(result.exception)
    for arguments in ([], ["o1", "--sample", "5"]):
        assert "--sample" in str((await asyncio.to_thread(orderwatch, "explain", *arguments)).exception)


async def test_records_are_found_one_by_one_and_together(kafka_settings: KafkaSettings) -> None:
    topic = kafka_settings.decisions_topic
    async with AIOKafkaProducer(**kafka_settings.client_options(), max_request_size=MAX_ORDER_BYTES) as producer:
        for number in range(2_000):
            await producer.send(topic, b"%d" % number, key=b"k%d" % number, partition=1, timestamp_ms=number * 1000 + 1)
        large = await producer.send_and_wait(topic, b"x" * 900_000, key=b"large", partition=1, timestamp_ms=2_000_001)
    async with TopicReader(kafka_settings, **SINGLE_MESSAGES) as finder:
        places = [(1, 3), (1, 1_999), (1, 4), (1, large.offset), (1, 5_000), (7, 0)]
        found = await finder.find_at(topic, places)
        values = {place: len(each.value or b"") for place, each in found.items() if not isinstance(each, Missing)}
        assert values == {(1, 3): 1, (1, 1_999): 4, (1, 4): 1, (1, large.offset): 900_000}
        by_key = await finder.find_by_key(
            topic,
            [
                KeySearch(1, b"k700", 600_000),
                KeySearch(1, b"k10", 0),
                KeySearch(1, b"large", 1_000_000),
                KeySearch(1, b"unknown", 0),
                KeySearch(0, b"k1", 0),
            ],
        )
    offsets = {key: each.offset for key, each in by_key.items() if not isinstance(each, Missing)}
    assert offsets == {b"k700": 700, b"k10": 10, b"large": large.offset}
    assert "not among" in getattr(by_key[b"unknown"], "reason", "")
    assert "has no record since" in getattr(by_key[b"k1"], "reason", "")
