"""`fraud-detector dead-letters`, on the real broker and database, with a detector that decides what is redriven."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from typer.testing import CliRunner

from fraud_detector.cli import build_application
from order_platform.kafka.topics import MAX_ORDER_BYTES
from order_platform.settings import KafkaSettings
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.reading import read_topic
from tests.support.waiting import until

pytestmark = pytest.mark.integration


def order(order_id: str = "o1", **changes: Any) -> bytes:
    return json.dumps(plain_order(order_id, **changes)).encode()


class System:
    """A detector at work, and the command beside it."""

    def __init__(self, settings: KafkaSettings, database_url: str, detector: DetectorProcess) -> None:
        self.settings = settings
        self.database_url = database_url
        self.detector = detector
        self.environment = {
            "ORDERWATCH_KAFKA": settings.kafka,
            "ORDERWATCH_ORDERS_TOPIC": settings.orders_topic,
            "ORDERWATCH_DEAD_LETTER_TOPIC": settings.dead_letter_topic,
            "ORDERWATCH_LABELS_TOPIC": settings.labels_topic,
            "ORDERWATCH_DATABASE_URL": database_url,
        }

    async def publish(self, *values: bytes | None, key: bytes | None = b"u1", partition: int = 1) -> list[str]:
        """Publish messages; returns their origins once they are decided."""
        origins = []
        async with AIOKafkaProducer(**self.settings.client_options(), max_request_size=MAX_ORDER_BYTES) as producer:
            for value in values:
                sent = await producer.send_and_wait(
                    self.settings.orders_topic, value, key, partition, headers=[("trace", b"\x00\xff")]
                )
                origins.append(f"{self.settings.orders_topic}/{sent.partition}/{sent.offset}")
        await until_consumed(self.settings, "the detector to decide it")
        return origins

    async def command(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> str:
        """`fraud-detector dead-letters ...`: what it prints, both ways."""
        ended = await asyncio.to_thread(
            CliRunner().invoke, build_application(), ["dead-letters", *arguments], input=stdin, env=self.environment
        )
        assert ended.exit_code == code, (ended.output, ended.exception)
        assert ended.exception is None or isinstance(ended.exception, SystemExit)
        return ended.output

    async def objects(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """The same with --json."""
        return [json.loads(line) for line in (await self.command(*arguments, "--json", code=code)).splitlines()]

    async def query(self, statement: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return [tuple(record) for record in await connection.fetch(statement)]
        finally:
            await connection.close()

    async def forget(self, topic: str) -> None:
        """Delete all messages of a topic, as retention does."""
        ends: dict[int, int] = {}
        for record in await read_topic(self.settings, topic):
            ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
        admin = AIOKafkaAdminClient(**self.settings.client_options())
        await admin.start()
        await admin.delete_records(
            {TopicPartition(topic, part): RecordsToDelete(before_offset=end) for part, end in ends.items()}
        )
        await admin.close()


@pytest.fixture
def detector(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[DetectorProcess]:
    with DetectorProcess(kafka_settings, database_url, tmp_path / "detector.log") as detector:
        yield detector


@pytest.fixture
def system(kafka_settings: KafkaSettings, database_url: str, detector: DetectorProcess) -> System:
    return System(kafka_settings, database_url, detector)


async def test_what_is_wrong_is_listed_and_shown(system: System) -> None:
    bad, broken = await system.publish(order(country="XX"), b"\xff\x00{", key=b"\xfe")
    listed = await system.objects("list")
    assert [letter["origin"] for letter in listed] == [broken, bad]
    assert [letter["error_type"] for letter in listed] == ["not-json", "bad-value"]
    assert {letter["state"] for letter in listed} == {"open"}
    assert [letter["origin"] for letter in await system.objects("list", "--error", "bad-value")] == [bad]
    assert [letter["origin"] for letter in await system.objects("list", "--order", "o1")] == [bad]
    assert await system.objects("list", "--state", "stored") == []
    assert await system.objects("list", "--to", "2026-01-01") == []
    assert len(await system.objects("list", "--limit", "1")) == 1
    table = await system.command("list")
    assert bad in table
    assert 'country must be an ISO 3166 alpha-2 code, got "XX"' in table

    (shown,) = await system.objects("show", bad)
    assert shown["message"] == {
        "topic": system.settings.orders_topic,
        "key": {"text": None, "base64": "/g=="},
        "headers": [{"name": "trace", "text": None, "base64": "AP8="}],
        "body": {"text": order(country="XX").decode(), "base64": None},
    }
    page = await system.command("show", broken)
    assert "what to do" in page
    assert "\x00" not in page
    assert "no dead letter has the origin orders/0/99" in await system.command("show", "orders/0/99", code=1)


async def test_an_original_is_redriven_to_the_byte_and_refused_again(system: System) -> None:
    value = order(country="XX")
    (origin,) = await system.publish(value)
    (result,) = await system.objects("redrive", origin, "--by", "ada")
    assert (result["origin"], result["state"], result["problem"]) == (origin, "dead-letter", None)
    first, second = await read_topic(system.settings, system.settings.orders_topic)
    assert result["published_as"] == f"{second.topic}/{second.partition}/{second.offset}"
    assert (second.key, second.value, second.partition) == (first.key, first.value, first.partition)
    assert dict(second.headers) == {
        "trace": b"\x00\xff",
        "redriven_from": origin.encode(),
        "redrive_attempt": b"1",
    }
    (shown,) = await system.objects("show", origin)
    (redrive,) = shown["redriven"]
    assert (redrive["redriven_by"], redrive["corrected"], redrive["outcome"]) == ("ada", False, "dead-letter")
    # The one that was refused again is a letter of its own.
    assert [letter["origin"] for letter in await system.objects("list", "--state", "open")] == [result["published_as"]]


async def test_a_corrected_body_becomes_an_order(system: System, tmp_path: Path) -> None:
    (origin,) = await system.publish(order(amount="a lot"))
    body = tmp_path / "order.json"
    body.write_bytes(order(amount=-5))
    refused = await system.command("redrive", origin, "--body", str(body), code=1)
    assert "amount must be an integer from 0" in refused
    assert "got -5" in refused
    assert await system.query("select count(*) from redrives") == [(0,)]

    printed = await system.command("redrive", origin, "--body", "-", stdin=order(user_id="u2", amount=5))
    assert "1 stored" in printed
    assert await system.query("select amount, user_id from orders") == [(5, "u2")]
    messages = await read_topic(system.settings, system.settings.orders_topic)
    (published,) = [message for message in messages if message.offset == 0 and message.partition != 1]
    assert published.key == b"u2"  # a user's orders are kept together
    ((by, corrected),) = await system.query("select redriven_by, corrected from redrives")
    assert corrected
    assert "@" in by

    again = await system.command("redrive", origin, "--body", "-", code=1, stdin=order(amount=5))
    assert f"{origin} was redriven already, and is stored now" in again
    printed = await system.command("redrive", origin, "--body", "-", "--again", stdin=order(user_id="u2", amount=5))
    assert "1 duplicate" in printed
    assert await system.query("select attempt, outcome from redrive_outcomes order by 1") == [
        (1, "stored"),
        (2, "duplicate"),
    ]


async def test_a_label_is_redriven_to_its_own_topic(system: System) -> None:
    topic = system.settings.labels_topic
    async with AIOKafkaProducer(**system.settings.client_options()) as producer:
        sent = await producer.send_and_wait(topic, b'{"order_id":"o1","label":"frod"}', b"o1")
    origin = f"{topic}/{sent.partition}/{sent.offset}"

    async def is_recorded() -> bool:
        return await system.query("select count(*) from dead_letters") == [(1,)]

    await until(is_recorded, "the label to be refused")
    assert "is not a valid label: source is missing" in await system.command(
        "redrive", origin, "--body", "-", code=1, stdin=order()
    )
    label = {"order_id": "o2", "label": "fraud", "source": "test", "at": "2026-11-22T10:00:00"}
    printed = await system.command("redrive", origin, "--body", "-", stdin=json.dumps(label).encode())
    assert "1 stored" in printed
    assert await system.query("select order_id, label from labels") == [("o2", "fraud")]
    assert {message.key for message in await read_topic(system.settings, topic)} == {b"o1", b"o2"}
    assert await read_topic(system.settings, system.settings.orders_topic) == []


async def test_a_conflict_is_redriven_only_with_again(system: System) -> None:
    _, origin = await system.publish(order(), order(quantity=2))
    refused = await system.command("redrive", origin, code=1)
    assert "is a conflict" in refused
    (letter,) = await system.objects("list")
    assert (letter["kind"], letter["error_type"]) == ("conflict", "conflict")
    (result,) = await system.objects("redrive", origin, "--again")
    assert result["state"] == "conflict"
    assert "1 stored" in await system.command(
        "redrive", origin, "--again", "--body", "-", stdin=order("another", quantity=2)
    )


async def test_many_are_redriven_once_their_cause_is_gone(system: System, tmp_path: Path) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=36)).isoformat()
    values = [order(f"o{number}", created_date=soon) for number in range(30)]
    origins = await system.publish(*values, b"{", b"[]")
    await system.publish(order("o-conflict"), order("o-conflict", quantity=9))

    offered = await system.command("redrive", "--all", code=2)
    assert "1 conflicts are left out" in offered
    assert "nothing was published" in offered
    assert "--yes" in offered
    assert await system.query("select count(*) from redrives") == [(0,)]

    assert system.detector.terminate() == 0
    bound = {"ORDERWATCH_MAX_FUTURE_HOURS": "72"}
    log = tmp_path / "detector-2.log"
    with DetectorProcess(system.settings, system.database_url, log, **bound):
        results = await system.objects("redrive", "--error", "bad-value", "--yes", "--wait", "60")
        assert [result["origin"] for result in results] == origins[:30]
        assert {result["state"] for result in results} == {"stored"}
        assert "2 dead-letter" in await system.command("redrive", "--all", "--yes", "--wait", "60")
        await until_consumed(system.settings, "the detector to decide everything")
    # Each message, redriven or not, has exactly one outcome.
    messages = await read_topic(system.settings, system.settings.orders_topic)
    recorded = await system.query(
        "select source_partition, source_offset from orders "
        'union all select partition, "offset" from stream_outcomes order by 1, 2'
    )
    assert recorded == sorted((message.partition, message.offset) for message in messages)


async def test_the_bytes_come_from_where_they_still_are(system: System) -> None:
    value = order(country="XX", note="x" * 7_000_000)
    (origin,) = await system.publish(value, key=b"\xfe\xff")
    await until(lambda: _letters(system, 1), "the dead letter to be published")
    await system.forget(system.settings.orders_topic)
    (shown,) = await system.objects("show", origin)
    assert shown["message"]["topic"] == system.settings.dead_letter_topic
    assert shown["message"]["key"]["base64"] == "/v8="
    assert [header["name"] for header in shown["message"]["headers"]] == ["trace"]
    assert await system.command("show", origin, "--bytes") == value.decode()
    await system.command("redrive", origin)
    (redriven,) = await read_topic(system.settings, system.settings.orders_topic)
    assert (redriven.key, redriven.value) == (b"\xfe\xff", value)

    await system.forget(system.settings.orders_topic)
    await system.forget(system.settings.dead_letter_topic)
    assert "is on no topic any more" in await system.command("redrive", origin, code=1)
    assert "gone from all topics" in await system.command("show", origin)
    assert "1 stored" in await system.command("redrive", origin, "--body", "-", stdin=order())


async def test_a_crash_after_publishing_is_on_record(system: System) -> None:
    """A process that dies between the two leaves a redrive that is begun and has no new origin."""
    (origin,) = await system.publish(order(country="XX"))
    topic, partition, offset = origin.split("/")
    begun = f"""insert into redrives (topic, partition, "offset", attempt, redriven_by, corrected, started_at)
        values ('{topic}', {partition}, {offset}, 1, 'ada', false, now() - interval '%s')"""
    await system.query(begun % "10 seconds")
    (letter,) = await system.objects("list")
    assert letter["state"] == "publishing"
    assert "is publishing now" in await system.command("redrive", origin, code=1)
    await system.query("update redrives set started_at = now() - interval '2 minutes'")
    (letter,) = await system.objects("list", "--state", "unconfirmed")
    assert "it is not known whether it was published" in await system.command("show", origin)
    (result,) = await system.objects("redrive", "--all", "--yes")
    assert result["state"] == "dead-letter"
    assert await system.query("select attempt, outcome from redrive_outcomes order by 1") == [
        (1, "unconfirmed"),
        (2, "dead-letter"),
    ]


async def test_it_reports_what_is_unavailable(system: System) -> None:
    (origin,) = await system.publish(order(country="XX"))
    system.environment["ORDERWATCH_KAFKA"] = "127.0.0.1:1"
    assert "Kafka at ORDERWATCH_KAFKA=127.0.0.1:1" in await system.command("redrive", origin, code=3)
    system.environment["ORDERWATCH_DATABASE_URL"] = "postgresql://unknown@127.0.0.1:1/nothing"
    assert "ORDERWATCH_DATABASE_URL" in await system.command("list", code=3)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["redrive"], "say which"),
        (["redrive", "--all", "--error", "not-json"], "say which"),
        (["redrive", "--all", "--body", "x"], "--body corrects one letter"),
        (["redrive", "orders/1/2", "--body", "/nowhere"], "cannot be read"),
        (["list", "--from", "yesterday"], "is not a date or time"),
        (["show", "orders-1-2"], "not a valid origin"),
        (["list", "--error", "bad_valu"], "write bad-value"),
        (["redrive", "--error", "no-json"], "write not-json"),
    ],
)
def test_it_says_how_it_is_used(arguments: list[str], problem: str) -> None:
    ended = CliRunner().invoke(build_application(), ["dead-letters", *arguments])
    assert ended.exit_code == 2
    assert problem in " ".join(ended.output.replace("│", " ").split())


async def _letters(system: System, count: int) -> bool:
    return len(await read_topic(system.settings, system.settings.dead_letter_topic)) == count
