"""The processes at their work, each as its own role."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

import decision_engine
from order_api.auth.keys import create_key
from order_platform.postgres.provisioning import create_roles
from order_platform.postgres.roles import DatabaseRole
from order_platform.settings import KafkaSettings
from tests.database_roles.conftest import Prepared
from tests.support.api import ApiProcess
from tests.support.detector import DetectorProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

ORDER = {
    "order_id": "of-roles", "user_id": "u1", "product_id": "p1", "quantity": 1, "amount": 400_000_000,
    "payment_method": "DANA", "country": "ID", "created_date": "2026-11-20T12:00:00",
}  # fmt: skip
MANY = 600
"""Enough that a batch of them is copied, and staged where one is there already."""


def test_detector_api_and_people_do_their_work(
    prepared: Prepared, kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    first = json.dumps(ORDER).encode()
    many = [json.dumps({**ORDER, "order_id": f"of-roles-{n}"}).encode() for n in range(MANY)]
    conflict = json.dumps({**ORDER, "amount": 1}).encode()
    asyncio.run(_publish(kafka_settings, [first, b"{broken", conflict, *many, *many, first]))
    with (
        DetectorProcess(kafka_settings, prepared.url(DatabaseRole.DETECTOR), tmp_path / "detector.log") as detector,
        ApiProcess(kafka_settings, prepared.url(DatabaseRole.API), tmp_path / "api.log") as api,
    ):
        admin = asyncio.run(_create_key(prepared))
        with httpx.Client(
            base_url=api.url, headers={"Authorization": f"Bearer {admin}"}, trust_env=False, timeout=60
        ) as client:
            order = client.get(f"/v1/orders/{ORDER['order_id']}", params={"wait": "30s"}, timeout=60)
            assert order.raise_for_status().json()["status"] == "fraud"
            _use_every_feature(client)
            origin = f"{kafka_settings.orders_topic}/0/1"
            assert client.post(f"/v1/dead-letters/{origin}/redrive").raise_for_status().status_code == 202
        eventually(lambda: detector.get("/readyz")[0] == 200, "the detector to be ready")
        _reconcile(prepared, kafka_settings, tmp_path)
        redrive = ("-m", "fraud_detector", "dead-letters", "redrive", "--again", "--by", "a test", origin)
        assert _run(prepared, DatabaseRole.OPERATOR, kafka_settings, *redrive).returncode == 0
        refused = _run(prepared, DatabaseRole.READER, kafka_settings, *redrive)
        assert refused.returncode == 1
        assert "admin.env" in refused.stderr
        listed = _run(prepared, DatabaseRole.READER, kafka_settings, "-m", "fraud_detector", "dead-letters", "list")
        assert "not-json" in listed.stdout
        keys = _run(prepared, DatabaseRole.OPERATOR, kafka_settings, "-m", "order_api", "keys", "list")
        assert "test" in keys.stdout
        refused = _run(prepared, DatabaseRole.READER, kafka_settings, "-m", "order_api", "keys", "list")
        assert refused.returncode == 1
        assert "admin.env" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_migrating_says_which_roles_are_missing(
    earlier_release: Callable[[], Prepared], kafka_settings: KafkaSettings
) -> None:
    prepared = earlier_release()
    asyncio.run(prepared.prepare())
    migrate = "-m", "orderwatch", "migrate"
    done = _run(prepared, DatabaseRole.MIGRATOR, kafka_settings, *migrate)
    assert (done.returncode, "roles: each holds what it needs" in done.stdout) == (0, True)
    asyncio.run(_drop_role(prepared, DatabaseRole.READER))
    done = _run(prepared, DatabaseRole.MIGRATOR, kafka_settings, *migrate)
    assert "nothing was granted to orderwatch_reader" in done.stdout
    # Something to do that only the owner may.
    asyncio.run(_drop_role(prepared, DatabaseRole.OPERATOR))
    asyncio.run(create_roles(prepared.server.url(), prepared.passwords))
    done = _run(prepared, DatabaseRole.API, kafka_settings, *migrate)
    assert done.returncode == 1
    assert "the database role of ORDERWATCH_DATABASE_URL may not do this" in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_batch_side_replaces_marts_and_the_api_reads_them(prepared: Prepared) -> None:
    async with prepared.connected(DatabaseRole.BATCH) as batch:
        async with batch.transaction():
            await batch.execute("create temporary table new_versions (like users including defaults) on commit drop")
            await batch.execute("insert into users select * from new_versions on conflict do nothing")
        for _ in range(2):
            await batch.execute("drop table if exists marts.mart_of_roles; create table marts.mart_of_roles (n int)")
            await batch.execute("grant select on marts.mart_of_roles to orderwatch_api")
    async with prepared.connected(DatabaseRole.API) as api:
        assert await api.fetch("select * from marts.mart_of_roles") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.execute("delete from marts.mart_of_roles")


async def _publish(kafka: KafkaSettings, values: Sequence[bytes]) -> None:
    async with AIOKafkaProducer(**kafka.client_options()) as producer:
        for value in values:
            await producer.send(kafka.orders_topic, value, partition=0)


async def _drop_role(prepared: Prepared, role: DatabaseRole) -> None:
    connection = await asyncpg.connect(prepared.server.url("orderwatch"))
    await connection.execute(f"drop owned by {role}; drop role {role}")
    await connection.close()


async def _create_key(prepared: Prepared) -> str:
    async with prepared.connected(DatabaseRole.OPERATOR) as operator:
        _, key = await create_key(operator, "test", "admin")
        return key


def _use_every_feature(client: httpx.Client) -> None:
    """Every listing, and a session from its beginning to its end."""
    for path in ("/v1/orders", "/v1/flags", f"/v1/users/{ORDER['user_id']}", "/v1/stats", "/v1/marts", "/readyz"):
        assert client.get(path, timeout=30).is_success, path
    assert client.get("/v1/dead-letters", timeout=30).raise_for_status().json()["items"]
    pack = (resources.files(decision_engine) / "marketplace_pack.yaml").read_text()
    assert (
        client.post("/v1/decide", json={"order": ORDER, "ruleset": {"draft": pack}}).raise_for_status().json()["rules"]
    )
    assert client.post("/v1/session", headers={"Sec-Fetch-Site": "same-origin"}).is_success
    assert client.delete("/v1/session", headers={"Sec-Fetch-Site": "same-origin"}).is_success


def _reconcile(prepared: Prepared, kafka: KafkaSettings, folder: Path) -> None:
    program = "-m", "orderwatch", "reconcile", "--wait", "60", "--decisions"
    done = _run(prepared, DatabaseRole.READER, kafka, *program, ORDERWATCH_HOME=str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    done = _run(prepared, DatabaseRole.READER, kafka, "-m", "orderwatch", "explain", str(ORDER["order_id"]))
    assert done.returncode == 0, done.stdout + done.stderr
    dates = "--from", "2026-11-20", "--to", "2026-11-20"
    done = _run(prepared, DatabaseRole.READER, kafka, "-m", "fraud_detector", "replay", *dates)
    assert done.returncode == 0, done.stdout + done.stderr


def _run(
    prepared: Prepared, role: DatabaseRole, kafka: KafkaSettings, *arguments: str, **settings: str
) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "ORDERWATCH_DATABASE_URL": prepared.url(role),
        "ORDERWATCH_KAFKA": kafka.kafka,
        "ORDERWATCH_ORDERS_TOPIC": kafka.orders_topic,
        "ORDERWATCH_DECISIONS_TOPIC": kafka.decisions_topic,
        "ORDERWATCH_DEAD_LETTER_TOPIC": kafka.dead_letter_topic,
        "ORDERWATCH_LABELS_TOPIC": kafka.labels_topic,
        "ORDERWATCH_CONSUMER_GROUP": kafka.consumer_group,
        **settings,
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
