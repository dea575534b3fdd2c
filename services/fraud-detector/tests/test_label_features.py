"""Label features of two detectors, on the real broker and database: labels before and after their orders, a restart."""

import asyncio
import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from order_contract.label import Label, LabelEvent
from order_contract.label_record import encode_label, label_key
from order_platform.settings import KafkaSettings
from tests.support.broker_topics import delete_records
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.reading import read_topic
from tests.support.service import run_command
from tests.support.waiting import until

pytestmark = pytest.mark.integration

RULES = """
review_at: 50
decline_at: 90
features:
  frauds: {aggregate: label_count, label: fraud, key: device_id, window: 30d}
  share: {aggregate: label_share, label: fraud, key: device_id, window: 30d}
  legitimate: {aggregate: label_count, label: legitimate, key: device_id, window: 30d}
rules:
  - {id: known-fraud, description: known fraud, when: frauds >= 2 and share > 0.1, severity: high, score: 60}
"""


class System:
    def __init__(self, settings: KafkaSettings, database_url: str) -> None:
        self.settings = settings
        self.database_url = database_url

    async def publish_orders(self, *order_ids: str) -> None:
        async with AIOKafkaProducer(**self.settings.client_options()) as producer:
            for number, order_id in enumerate(order_ids):
                now = datetime.now(UTC).isoformat()
                event = plain_order(order_id, user_id=f"U{number}", device_id="D1", created_date=now)
                await producer.send_and_wait(self.settings.orders_topic, json.dumps(event).encode(), b"U%d" % number)
        await until_consumed(self.settings, "the orders to be decided")

    async def publish_labels(self, *labels: tuple[str, Label]) -> None:
        async with AIOKafkaProducer(**self.settings.client_options()) as producer:
            for order_id, label in labels:
                event = LabelEvent(order_id, label, "test", None, datetime.now(UTC), None)
                value, key = encode_label(event), label_key(order_id)
                await producer.send_and_wait(self.settings.labels_topic, value, key)

    async def features(self, order_id: str) -> dict[str, object]:
        connection = await asyncpg.connect(self.database_url)
        try:
            query = "select features, outcome from orders where order_id = $1"
            row = await connection.fetchrow(query, order_id)
            assert row is not None
            return {**json.loads(row["features"]), "outcome": row["outcome"]}
        finally:
            await connection.close()


def metric(detector: DetectorProcess, name: str) -> float:
    _, text = detector.get("/metrics")
    lines = [line for line in text.splitlines() if line.startswith(f"orderwatch_detector_{name}")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_labels_count_in_every_detector_from_when_they_are_read(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    system = System(kafka_settings, database_url)
    with ExitStack() as stack:
        detectors = [
            stack.enter_context(
                DetectorProcess(kafka_settings, database_url, tmp_path / f"{number}.log", ORDERWATCH_RULES=str(rules))
            )
            for number in range(2)
        ]
        first = [f"a{number}" for number in range(10)]
        await system.publish_orders(*first)
        assert (await system.features("a0"))["frauds"] == 0

        await system.publish_labels(
            ("a0", Label.FRAUD), ("a1", Label.CHARGEBACK), ("a2", Label.FRAUD), ("a3", Label.LEGITIMATE),
            ("later", Label.FRAUD), ("never", Label.FRAUD),
        )  # fmt: skip

        async def all_followed(count: int) -> bool:
            return all([await asyncio.to_thread(metric, each, "labels_followed_total") >= count for each in detectors])

        await until(lambda: all_followed(6), "both detectors to read the labels")
        assert [metric(each, "labels_pending") for each in detectors] == [2, 2]
        await system.publish_orders(*(f"b{number}" for number in range(8)))
        for number in range(8):
            found = await system.features(f"b{number}")
            assert (found["frauds"], found["legitimate"], found["outcome"]) == (3, 1, "review")
        await system.publish_orders("later")
        await system.publish_orders("c0", "c1")
        assert (await system.features("c1"))["frauds"] == 4

        # A newer label takes an older one back; what was stored and followed before is read again at a restart.
        await system.publish_labels(("a2", Label.LEGITIMATE))
        await until(lambda: all_followed(7), "both detectors to read the labels")

        async def stored() -> bool:
            return sum([await asyncio.to_thread(metric, each, "labels_stored_total") for each in detectors]) >= 7

        await until(stored, "the labels to be stored")
        assert detectors[0].terminate() == 0
        detectors[0].start()
        await until(
            lambda: asyncio.to_thread(lambda: detectors[0].get("/readyz")[0] == 200), "the detector to be ready"
        )
        await system.publish_orders(*(f"d{number}" for number in range(8)))
        for number in range(8):
            found = await system.features(f"d{number}")
            assert (found["frauds"], found["legitimate"]) == (3, 2)
        verified = await asyncio.to_thread(
            run_command, kafka_settings, database_url, "fraud_detector", "features", "verify"
        )
        assert verified.returncode == 0, verified.stdout
        assert "87 values of 29 orders: all as computed from the stored orders" in verified.stdout
        assert [detector.terminate() for detector in detectors] == [0, 0]


async def test_a_snapshot_is_not_used_when_labels_that_it_lacks_are_gone(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    """The detector reads them from Postgres: it neither stops nor does without them."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    system = System(kafka_settings, database_url)
    snapshot = tmp_path / f"{kafka_settings.orders_topic}-1.histories"
    with_snapshots = {
        "ORDERWATCH_RULES": str(rules), "ORDERWATCH_SNAPSHOTS": str(tmp_path), "ORDERWATCH_SNAPSHOT_SECONDS": "1"
    }  # fmt: skip
    with DetectorProcess(kafka_settings, database_url, tmp_path / "log", **with_snapshots) as detector:
        await system.publish_orders("a0", "a1")
        await system.publish_labels(("a0", Label.FRAUD))
        await until(snapshot.exists, "a snapshot")
        assert detector.terminate() == 0
    old = snapshot.read_bytes()
    with DetectorProcess(kafka_settings, database_url, tmp_path / "log", ORDERWATCH_RULES=str(rules)) as detector:
        await system.publish_labels(("a0", Label.FRAUD), ("a1", Label.FRAUD), ("a1", Label.FRAUD), ("a0", Label.FRAUD))
        await until(
            lambda: asyncio.to_thread(lambda: metric(detector, "labels_stored_total") >= 4), "the labels to be stored"
        )
        assert detector.terminate() == 0
    for record in await read_topic(kafka_settings, kafka_settings.labels_topic):
        await delete_records(kafka_settings, kafka_settings.labels_topic, record.partition, record.offset + 1)
    snapshot.write_bytes(old)
    with DetectorProcess(kafka_settings, database_url, tmp_path / "log", **with_snapshots) as detector:
        await system.publish_orders("a2")
        assert (await system.features("a2"))["frauds"] == 2
        assert detector.terminate() == 0
    assert "labels that it lacks are gone from their topic" in (tmp_path / "log").read_text()
