"""kill -9 of everything under load: nothing lost, nothing twice, `decisions` says what Postgres says.

The rules have features of orders and of labels, which arrive in the meantime: SQL then computes their values from the
stored rows, plain Python those of labels, and a replay makes all decisions again. Detectors that were killed start
again from snapshots.

ORDERWATCH_FAULT_ROUNDS sets how often each of detector, database and broker is killed (once by default),
ORDERWATCH_FAULT_MESSAGES how many messages of orders there are at least, and ORDERWATCH_FAULT_SAMPLE of how many orders
the features are computed. 300,000 messages take ten minutes at the least, and twenty kills are seven rounds.
"""

import asyncio
import os
import random
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from devstack.server import EmbeddedServer
from order_contract.business_time import business_date
from order_platform.kafka.topics import ensure_topics
from order_platform.settings import KafkaSettings
from tests.faults.database import new_database
from tests.faults.label_load import LabelLoad, LabelOracle
from tests.faults.load import Load
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.ledger import Ledger
from tests.support.reading import read_topic
from tests.support.service import run_command
from tests.support.waiting import until

ROUNDS = int(os.environ.get("ORDERWATCH_FAULT_ROUNDS", "1"))
RATE = 500
LABEL_RATE = 50
RULES = Path(__file__).with_name("history_rules.yaml")
MESSAGES = int(os.environ.get("ORDERWATCH_FAULT_MESSAGES", "0"))
SAMPLE = os.environ.get("ORDERWATCH_FAULT_SAMPLE", "150")


@pytest.mark.integration
async def test_nothing_is_lost_when_everything_is_killed_under_load(
    private_kafka: EmbeddedKafka, private_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    settings = KafkaSettings(kafka=private_kafka.bootstrap_servers, consumer_group=f"g-{uuid.uuid4().hex[:8]}")
    await ensure_topics(settings)
    database_url = await new_database(private_postgres)
    ledger = Ledger()
    load, labels = Load(settings, ledger, rate=RATE), LabelLoad(settings, ledger, rate=LABEL_RATE)
    with ExitStack() as stack:
        detectors = [
            stack.enter_context(
                DetectorProcess(
                    settings,
                    database_url,
                    tmp_path / f"detector-{number}.log",
                    ORDERWATCH_RULES=str(RULES),
                    ORDERWATCH_SNAPSHOTS=str(tmp_path),
                    ORDERWATCH_SNAPSHOT_SECONDS="1",
                )
            )
            for number in range(3)
        ]
        loading = asyncio.gather(load.run(), labels.run())
        await until(lambda: len(ledger.acknowledged) > RATE, "the load to start")
        for number in range(ROUNDS):
            detector = detectors[number % 3]
            await asyncio.to_thread(detector.kill)
            await asyncio.sleep(0.5)
            detector.start()
            await _get_on(ledger)
            await _kill_and_restart(private_postgres)
            await _get_on(ledger)
            await _kill_and_restart(private_kafka)
            await _get_on(ledger)
        await until(lambda: len(ledger.acknowledged) >= MESSAGES, "all messages", within=10 + MESSAGES)
        load.stop()
        labels.stop()
        await loading
        for subscription in (settings.orders, settings.labels):
            await until_consumed(settings, "the detectors to catch up", subscription=subscription, within=120)
        assert [detector.process.poll() for detector in detectors] == [None] * 3, "a detector died by itself"
        assert [detector.terminate() for detector in detectors] == [0] * 3
    counts = await ledger.verify(settings, database_url)
    assert counts.keys() == {"stored", "duplicate", "conflict", "dead-letter"}
    assert counts.total() >= len(ledger.acknowledged) > RATE
    await _verify_labels(settings, database_url, labels)
    await _verify_features(settings, database_url, counts["stored"])
    await _replay(settings, database_url, counts["stored"])


async def _get_on(ledger: Ledger) -> None:
    """Let the load continue for a while: for as many messages as two seconds bring."""
    before = len(ledger.acknowledged)
    await until(lambda: len(ledger.acknowledged) > before + 2 * RATE, "further acknowledgements")


async def _kill_and_restart(server: EmbeddedServer) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(0.5)
    server.start()
    await asyncio.to_thread(server.wait_ready)


async def _verify_labels(settings: KafkaSettings, database_url: str, labels: LabelLoad) -> None:
    """Every label is stored once, and counts in features from when it was read on."""
    oracle = await LabelOracle.read(database_url)
    published = {(each.partition, each.offset) for each in await read_topic(settings, settings.labels_topic)}
    assert labels.acknowledged <= published
    assert sorted(published) == sorted(oracle.labels)
    sample = random.Random(1).sample(oracle.orders, min(10 * int(SAMPLE), len(oracle.orders)))
    assert [text for order in sample for text in oracle.differences(order)] == []
    counted = [each for each in oracle.orders if orjson.loads(each["features"])["product_fraud_users_24h"]]
    assert len(counted) > len(oracle.orders) / 10, "labels hardly count"


async def _verify_features(settings: KafkaSettings, database_url: str, stored: int) -> None:
    """Every sampled feature is what SQL computes from the stored orders."""
    verified = await asyncio.to_thread(
        run_command, settings, database_url, "fraud_detector", "features", "verify", "--sample", SAMPLE, "--json"
    )
    verification = orjson.loads(verified.stdout)
    differences = verification["differences"]
    assert (verified.returncode, differences[:5], len(differences)) == (0, [], 0), verified.stderr
    assert verification["orders"] == min(int(SAMPLE), stored)


async def _replay(settings: KafkaSettings, database_url: str, stored: int) -> None:
    """Every decision is made again, to the bit."""
    today = business_date(datetime.now(UTC))
    dates = "--from", str(today - timedelta(days=3)), "--to", str(today)
    replayed = await asyncio.to_thread(
        run_command, settings, database_url, "fraud_detector", "replay", *dates, "--processes", "2", "--json"
    )
    *differing, summary = map(orjson.loads, replayed.stdout.splitlines())
    assert (replayed.returncode, differing) == (0, []), (replayed.stderr, summary)
    assert (summary["orders"], summary["decided_again"], summary["not_decided_again"]) == (stored, stored, {})
