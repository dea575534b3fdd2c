"""Lists that change while two detectors decide: each decision is what the history of the lists says it has to be."""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from decision_engine.lists import snooze_name
from order_lists.model import ChangeRequest, ListSpec
from order_lists.repository import change_entries, create_list
from order_lists.snoozes import snooze_rule
from order_platform.settings import KafkaSettings
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

RULES = """
review_at: 50
decline_at: 90
lists:
  blocked_devices: {kind: block, field: device_id}
  trusted_users: {kind: trust, field: user_id}
rules:
  - {id: trusted, description: Trusted., when: user_id in trusted_users, severity: low, outcome: approve}
  - {id: blocked, description: "{device_id}", when: device_id in blocked_devices, severity: high, outcome: decline}
  - {id: large, description: Large., when: amount > 500, severity: low, score: 60}
"""
BLOCKED, TRUSTED = "blocked_devices", "trusted_users"
SNOOZES = {snooze_name("large", "user_id"): "user_id", snooze_name("blocked", "device_id"): "device_id"}
FIELDS = {BLOCKED: "device_id", TRUSTED: "user_id", **SNOOZES}
USERS, DEVICES = [f"u{number}" for number in range(6)], [f"d{number}" for number in range(6)]
ROUNDS, ORDERS = 40, 50
HOW: dict[str, Any] = {"author": "test", "reason": "oracle", "provenance": "test"}
CREATED = datetime.fromisoformat("2026-11-22T10:00:00+07:00")


@pytest.fixture
def detectors(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[list[DetectorProcess]]:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                DetectorProcess(
                    kafka_settings, database_url, tmp_path / f"detector-{number}.log", ORDERWATCH_RULES=str(rules)
                )
            )
            for number in range(2)
        ]


async def test_every_decision_is_as_the_history_of_the_lists_says(
    detectors: list[DetectorProcess], kafka_settings: KafkaSettings, database_url: str
) -> None:
    rng = random.Random(15)
    connection = await asyncpg.connect(database_url)
    await until(lambda: all(each.get("/readyz")[0] == 200 for each in detectors), "both detectors to be ready")
    order_ids = [f"{number}-{index}" for number in range(ROUNDS) for index in range(ORDERS)]
    async with AIOKafkaProducer(**kafka_settings.client_options()) as producer:

        async def send(order_id: str) -> None:
            value = json.dumps(_order(order_id, rng)).encode()
            await producer.send(kafka_settings.orders_topic, value, partition=rng.randrange(4))

        for begin in range(0, len(order_ids), ORDERS):
            await _change_lists(connection, rng)
            for order_id in order_ids[begin : begin + ORDERS]:
                await send(order_id)
            await asyncio.sleep(rng.choice([0, 0, 0.05]))
        last = await connection.fetchval("select max(number) from list_changes")

        async def is_last_change_seen() -> bool:
            # A change counts within seconds: the orders that were sent right after it may be decided before that.
            order_ids.append(f"later-{len(order_ids)}")
            await send(order_ids[-1])
            return bool(await connection.fetchval("select max(lists_seen) from orders") == last)

        await until(is_last_change_seen, "the last change to count")
        await producer.flush()

    async def is_decided() -> bool:
        return bool(await connection.fetchval("select count(*) from orders") == len(order_ids))

    await until(is_decided, "all orders to be decided")
    entries = await connection.fetch("select list, value, added_in, removed_in, expires_at from list_entries")
    orders = await connection.fetch("select *, features::text as seen_features, hits::text as seen_hits from orders")
    await connection.close()
    for order in orders:
        assert order["lists_seen"] is not None
        lists = {
            name
            for name, value, added_in, removed_in, expires_at in entries
            if order[FIELDS[name]] == value
            and added_in <= order["lists_seen"]
            and (removed_in is None or removed_in > order["lists_seen"])
            and (expires_at is None or order["created_date"] < expires_at)
        }
        assert set(orjson.loads(order["seen_features"]).get("lists", ())) == lists
        assert [(hit["rule"], hit["mode"]) for hit in orjson.loads(order["seen_hits"])] == _hits(order, lists)
        assert order["outcome"] == _outcome(_hits(order, lists))
    # The test says nothing unless many states of the lists, all rules and snoozes were met.
    assert len({order["lists_seen"] for order in orders}) > ROUNDS // 4
    found = {(hit["rule"], hit["mode"]) for order in orders for hit in orjson.loads(order["seen_hits"])}
    assert found == {
        ("trusted", "live"), ("blocked", "live"), ("large", "live"), ("large", "snoozed"), ("blocked", "snoozed"),
    }  # fmt: skip
    logs = [each.log.read_text() for each in detectors]
    assert all("partitions_opened" in log for log in logs)


def _order(order_id: str, rng: random.Random) -> dict[str, Any]:
    return plain_order(
        order_id,
        user_id=rng.choice(USERS),
        device_id=rng.choice([*DEVICES, None]),
        amount=rng.choice([100, 1000]),
        created_date=(CREATED + timedelta(minutes=rng.randrange(10))).isoformat(),
    )


async def _change_lists(connection: "asyncpg.Connection[asyncpg.Record]", rng: random.Random) -> None:
    name = rng.choice(list(FIELDS))
    values = rng.sample(DEVICES if FIELDS[name] == "device_id" else USERS, 2)
    expires_at = CREATED + timedelta(minutes=rng.randrange(10))
    if name in SNOOZES:
        await snooze_rule(connection, name.split(":")[1], FIELDS[name], values, expires_at=expires_at, **HOW)
        return
    add = {values[0]: rng.choice([None, expires_at])}
    request = ChangeRequest(list_name=name, action="change", add=add, remove=frozenset(values[1:]), **HOW)
    await change_entries(connection, request)


def _hits(order: asyncpg.Record, lists: set[str]) -> list[tuple[str, str]]:
    fired = [
        ("trusted", TRUSTED in lists),
        ("blocked", BLOCKED in lists),
        ("large", order["amount"] > 500),
    ]
    snoozed = {name.split(":")[1] for name in lists if name in SNOOZES}
    return [(rule, "snoozed" if rule in snoozed else "live") for rule, fires in fired if fires]


def _outcome(hits: list[tuple[str, str]]) -> str:
    live = [rule for rule, mode in hits if mode == "live"]
    if "trusted" in live:
        return "approve"
    return "decline" if "blocked" in live else "review" if "large" in live else "approve"


async def test_a_list_that_is_declared_is_created_and_another_of_its_name_is_named(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    connection = await asyncpg.connect(database_url)
    await create_list(connection, ListSpec(BLOCKED, "block", "ip_address"), "ana")
    log = tmp_path / "detector.log"
    with DetectorProcess(kafka_settings, database_url, log, ORDERWATCH_RULES=str(rules)) as detector:
        await until(lambda: detector.process.poll() is not None, "the detector to stop")
        assert detector.process.returncode == 1
    assert "list 'blocked_devices' is a block list of ip_address, not a block list of device_id" in log.read_text()
    assert "Traceback" not in log.read_text()
    await connection.close()
