"""kill -9 of everything under load: nothing lost, nothing twice, `decisions` says what Postgres says.

The rules have features of orders and of labels, which arrive in the meantime, and a list that changes: SQL then
computes the features from the stored rows, plain Python those of labels, and a replay makes all decisions again.
Detectors that were killed start again from snapshots; others leave the group and join it again.

ORDERWATCH_FAULT_ROUNDS sets how often each of detector, database and broker is killed (once by default),
ORDERWATCH_FAULT_MESSAGES how many messages of orders there are at least, ORDERWATCH_FAULT_RATE how many come in a
second (250), and ORDERWATCH_FAULT_SAMPLE of how many orders the features are computed (150).
ORDERWATCH_FAULT_WAREHOUSE=1 then runs the batch side and replays from its DuckDB file, too. With `-s` the run prints
what it counted. The large one is

    ORDERWATCH_FAULT_MESSAGES=300000 ORDERWATCH_FAULT_RATE=2000 ORDERWATCH_FAULT_ROUNDS=7 ORDERWATCH_FAULT_WAREHOUSE=1 \
        .venv/bin/python -m pytest -s tests/faults/test_ledger.py
"""

import asyncio
import os
import random
import subprocess
import uuid
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
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
from tests.faults.list_load import ListLoad
from tests.faults.load import Load, under
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.ledger import Ledger
from tests.support.reading import read_topic
from tests.support.service import run_command
from tests.support.waiting import until

ROUNDS = int(os.environ.get("ORDERWATCH_FAULT_ROUNDS", "1"))
RATE = int(os.environ.get("ORDERWATCH_FAULT_RATE", "250"))
LABEL_RATE = 50
LIST_RATE = 2
RULES = Path(__file__).with_name("history_rules.yaml")
MESSAGES = int(os.environ.get("ORDERWATCH_FAULT_MESSAGES", "0"))
# Seconds: what waits after a large run is decided at a thousand a second on a machine that has other work.
CATCHING_UP = 300 + MESSAGES / 1000
WAREHOUSE = os.environ.get("ORDERWATCH_FAULT_WAREHOUSE") == "1"
REPOSITORY = Path(__file__).parents[2]
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
    lists = ListLoad(database_url, rate=LIST_RATE)
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
        async with under(load, labels, lists):
            await until(lambda: len(ledger.acknowledged) > RATE, "the load to start")
            for number in range(ROUNDS):
                detector = detectors[number % 3]
                await asyncio.to_thread(detector.kill)
                await asyncio.sleep(0.5)
                detector.start()
                await _get_on(ledger)
                leaving = detectors[(number + 1) % 3]
                await until(lambda: leaving.get("/readyz")[0] == 200, "a detector to be ready")  # noqa: B023
                assert await asyncio.to_thread(leaving.terminate) == 0
                leaving.start()
                await _kill_and_restart(private_postgres)
                await _get_on(ledger)
                await _kill_and_restart(private_kafka)
                await _get_on(ledger)
            await until(lambda: len(ledger.acknowledged) >= MESSAGES, "all messages", within=10 + MESSAGES)
        for subscription in (settings.orders, settings.labels):
            await until_consumed(settings, "the detectors to catch up", subscription=subscription, within=CATCHING_UP)
        assert [detector.process.poll() for detector in detectors] == [None] * 3, "a detector died by itself"
        # Those that run may have caught up before one that was just started; a signal would end that one's imports.
        await until(lambda: all(each.get("/healthz")[0] == 200 for each in detectors), "all detectors to run")
        assert [detector.terminate() for detector in detectors] == [0] * 3
    counts = await ledger.verify(settings, database_url)
    assert counts.keys() == {"stored", "duplicate", "conflict", "dead-letter"}
    assert counts.total() >= len(ledger.acknowledged) > RATE
    await _verify_labels(settings, database_url, labels)
    await _verify_features(settings, database_url, counts["stored"])
    await _replay(settings, database_url, counts["stored"])
    assert lists.changes
    print(f"{dict(counts)}, {len(labels.acknowledged):,} labels, {lists.changes:,} changes of a list: 0 differences")
    if WAREHOUSE:
        warehouse = await asyncio.to_thread(_run_batch, database_url, load.day, tmp_path)
        await _replay(settings, database_url, counts["stored"], "--source", str(warehouse))
        print("from the warehouse: 0 differences")


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
        run_command, settings, database_url, "fraud_detector", "features", "verify", "--sample", SAMPLE, "--json",
        timeout=120 + stored / 200,
    )  # fmt: skip
    verification = orjson.loads(verified.stdout)
    differences = verification["differences"]
    assert (verified.returncode, differences[:5], len(differences)) == (0, [], 0), verified.stderr
    assert verification["orders"] == min(int(SAMPLE), stored)


def _run_batch(database_url: str, day: date, folder: Path) -> Path:
    """Load a business date into a warehouse; returns its file."""
    file = folder / "warehouse.duckdb"
    done = subprocess.run(
        [REPOSITORY / "airflow/.venv/bin/order-batch", "run", day.isoformat()],
        env={
            **os.environ,
            "ORDERWATCH_DATABASE_URL": database_url,
            "ORDERWATCH_WAREHOUSE_PATH": str(file),
            "ORDERWATCH_STAGING": str(folder / "staging"),
        },
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return file


async def _replay(settings: KafkaSettings, database_url: str, stored: int, *options: str) -> None:
    """Every decision is made again, to the bit."""
    today = business_date(datetime.now(UTC))
    dates = "--from", str(today - timedelta(days=3)), "--to", str(today)
    replayed = await asyncio.to_thread(
        run_command, settings, database_url, "fraud_detector", "replay", *dates, "--processes", "2", "--json", *options,
        timeout=120 + stored / 200,
    )  # fmt: skip
    *differing, summary = map(orjson.loads, replayed.stdout.splitlines())
    assert (replayed.returncode, differing) == (0, []), (replayed.stderr, summary)
    assert (summary["orders"], summary["decided_again"], summary["not_decided_again"]) == (stored, stored, {})
