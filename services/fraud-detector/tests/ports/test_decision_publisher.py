"""Tests of the port DecisionPublisher, on the simulation's fake and on Kafka; and of the records on the real topics."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random
from typing import Protocol

import pytest

from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.kafka_publisher import KafkaPublisher
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.ports import DecisionPublisher
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.decision_record import encode_decision, read_published_order
from order_contract.decoding.decoder import EventDecoder
from order_contract.error_types import ErrorType
from order_platform.settings import KafkaSettings
from simulation.fakes import FakeBroker, FakeMessage, FakePublisher, Origin
from simulation.scripted_random import ScriptedRandom
from tests.support.reading import read_topic

EVALUATOR = OrderEvaluator(EventDecoder(), load_ruleset())


def row(order_id: str) -> OrderRow:
    value = (
        f'{{"order_id":"{order_id}","user_id":"u","product_id":"p","quantity":1,"amount":1,"payment_method":"OVO",'
        f'"country":"SG","created_date":"2026-11-22T10:00:00"}}'
    ).encode()
    decided = EVALUATOR.evaluate(FakeMessage(0, 0, value), datetime(2026, 11, 22, tzinfo=UTC))
    assert isinstance(decided, OrderRow)
    return decided


def letter(offset: int, value: bytes | None, key: bytes | None = None) -> RejectedMessage:
    message = FakeMessage(2, offset, value, key, headers=(("trace", b"\x00\x01"),))
    return RejectedMessage(message, ErrorType.NOT_JSON, "not JSON: ä", "amount", "o1", ("aa", "bb"), epoch=3)


class Subject(Protocol):
    """A publisher, and a look at what is on its topics."""

    publisher: DecisionPublisher

    async def decisions(self) -> list[tuple[str, bytes]]: ...
    async def dead_letters(self) -> list[Origin]: ...


class FakeSubject:
    def __init__(self) -> None:
        self._broker = FakeBroker(1)
        self.publisher: DecisionPublisher = FakePublisher(self._broker, ScriptedRandom([]))

    async def decisions(self) -> list[tuple[str, bytes]]:
        return self._broker.decisions

    async def dead_letters(self) -> list[Origin]:
        return self._broker.dead_letters


class KafkaSubject:
    def __init__(self, settings: KafkaSettings, publisher: KafkaPublisher) -> None:
        self._settings = settings
        self.publisher: DecisionPublisher = publisher

    async def decisions(self) -> list[tuple[str, bytes]]:
        return [(r.key.decode(), r.value) for r in await read_topic(self._settings, self._settings.decisions_topic)]

    async def dead_letters(self) -> list[Origin]:
        records = await read_topic(self._settings, self._settings.dead_letter_topic)
        return [(int(dict(r.headers)["origin_partition"]), int(dict(r.headers)["origin_offset"])) for r in records]


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.integration)])
def kafka(request: pytest.FixtureRequest) -> KafkaSettings | None:
    settings: KafkaSettings | None = None if request.param == "fake" else request.getfixturevalue("kafka_settings")
    return settings


@pytest.fixture
async def subject(kafka: KafkaSettings | None) -> AsyncIterator[Subject]:
    if kafka is None:
        yield FakeSubject()
        return
    publisher = KafkaPublisher(kafka)
    yield KafkaSubject(kafka, publisher)
    await publisher.close()


async def test_decisions_are_published_by_order_id(subject: Subject) -> None:
    rows = [row(f"o{number}") for number in range(3000)]
    await subject.publisher.publish(rows, [])
    assert sorted(await subject.decisions()) == sorted((r.order_id, encode_decision(r)) for r in rows)
    assert await subject.dead_letters() == []


async def test_a_repeat_is_identical(subject: Subject) -> None:
    for _ in range(2):
        await subject.publisher.publish([row("o1")], [letter(1, b"{")])
    first, second = await subject.decisions()
    assert first == second
    assert await subject.dead_letters() == [(2, 1), (2, 1)]


@pytest.mark.integration
async def test_full_batches_that_hardly_compress_are_accepted(kafka_settings: KafkaSettings) -> None:
    random = Random(20261130)
    rows = [row(f"o{number}")._replace(device_id=random.randbytes(2_500).hex()) for number in range(700)]
    # A hexadecimal digit has half a byte of content; snappy, which copies what it has seen, gains nothing from that.
    publisher = KafkaPublisher(kafka_settings)
    await publisher.publish(rows, [])
    await publisher.close()
    records = await read_topic(kafka_settings, kafka_settings.decisions_topic)
    assert [record.key.decode() for record in records] == [each.order_id for each in rows]


@pytest.mark.integration
async def test_a_dead_letter_keeps_the_original_untouched(kafka_settings: KafkaSettings) -> None:
    publisher = KafkaPublisher(kafka_settings)
    values = [b"\xff\x00{", None, b"", b"x" * 8 * 2**20]
    await publisher.publish([], [letter(offset, value, key=b"\xfe") for offset, value in enumerate(values)])
    await publisher.close()
    records = await read_topic(kafka_settings, kafka_settings.dead_letter_topic)
    assert [record.value for record in records] == values
    assert [record.key for record in records] == [f"orders@3/2/{offset}".encode() for offset in range(len(values))]
    assert dict(records[0].headers) == {
        "error_type": b"not-json",
        "error": "not JSON: ä".encode(),
        "error_field": b"amount",
        "order_id": b"o1",
        "fingerprint_stored": b"aa",
        "fingerprint_rejected": b"bb",
        "origin_topic": b"orders",
        "origin_epoch": b"3",
        "origin_partition": b"2",
        "origin_offset": b"0",
        "origin_timestamp": b"1796000000000",
        "origin_key": b"\xfe",
        "original.trace": b"\x00\x01",
    }


@pytest.mark.integration
async def test_decisions_keep_the_partition_and_the_sequence_of_their_orders(kafka_settings: KafkaSettings) -> None:
    publisher = KafkaPublisher(kafka_settings)
    rows = [
        row(f"o{number}")._replace(
            source_partition=number % 4, source_offset=number, device_id="D", attributes='{"a":1}'
        )
        for number in range(50)
    ]
    await publisher.publish(rows, [])
    await publisher.close()
    records = await read_topic(kafka_settings, kafka_settings.decisions_topic)
    assert {record.partition for record in records} == set(range(4))
    for partition in range(4):
        published = [record for record in records if record.partition == partition]
        expected = [each for each in rows if each.source_partition == partition]
        assert [record.key.decode() for record in published] == [each.order_id for each in expected]
        assert [read_published_order(record.value, record.headers) for record in published] == [
            (each.event(), each.origin) for each in expected
        ]
