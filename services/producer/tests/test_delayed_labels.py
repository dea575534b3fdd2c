"""Labels of generated fraud: on the real broker, and while there is none."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marketplace_simulator.fraud_patterns import PATTERNS
from marketplace_simulator.labels import label_of
from order_contract.label import Label
from order_contract.label_record import decode_label
from order_platform.settings import KafkaSettings
from order_producer.cli import app
from order_producer.publish.delayed_labels import DelayedLabels
from tests.support.ports import free_port
from tests.support.reading import read_topic
from tests.support.service import run_command

NOWHERE = "postgresql://unknown@127.0.0.1:1/nothing"


def test_labels_follow_from_the_order() -> None:
    labels = [label_of(f"o{number}", pattern.name) for pattern in PATTERNS for number in range(100)]
    assert {each.label for each in labels} == {Label.FRAUD, Label.CHARGEBACK}
    assert all(0.5 <= each.delay <= 1.5 for each in labels)
    assert 0.9 < sum(each.delay for each in labels) / len(labels) < 1.1
    assert label_of("o1", "foreign-card") == label_of("o1", "foreign-card")


@pytest.mark.integration
async def test_each_fraud_gets_its_label(kafka_settings: KafkaSettings, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    generate = ("order_producer", "generate", "--start", "2026-11-18", "--count", "300", "--fraud-share", "0.2")
    arguments = (*generate, "--truth", str(truth), "--label-delay", "0.5")
    ended = await asyncio.to_thread(run_command, kafka_settings, NOWHERE, *arguments)
    assert ended.returncode == 0, ended.stderr
    patterns = {line["order_id"]: line["pattern"] for line in map(json.loads, truth.read_text().splitlines())}
    assert len(patterns) > 30
    soon = datetime.now(UTC) + timedelta(minutes=1)
    messages = await read_topic(kafka_settings, kafka_settings.labels_topic)
    events = [decode_label(message.value, soon) for message in messages]
    assert {event.order_id: event.label for event in events} == {
        order_id: label_of(order_id, pattern).label for order_id, pattern in patterns.items()
    }
    assert len(events) == len(patterns)
    assert {event.author for event in events} == {"order-producer"}
    assert [message.key for message in messages] == [event.order_id.encode() for event in events]


async def test_labels_wait_for_a_broker_and_do_not_hold_up_the_end() -> None:
    settings = KafkaSettings(kafka=f"127.0.0.1:{free_port()}")
    async with asyncio.timeout(120), DelayedLabels(settings, delay=0, drain_seconds=0.2) as labels:
        labels.record("o1", "foreign-card")
        await asyncio.sleep(0.1)
    assert labels.published == 0


def test_nothing_is_labelled_that_is_not_published() -> None:
    ended = CliRunner().invoke(app, ["generate", "--to-stdout", "--label-delay", "1"])
    assert ended.exit_code == 2
    assert "nothing is published with --output" in " ".join(ended.output.replace("│", " ").split())
