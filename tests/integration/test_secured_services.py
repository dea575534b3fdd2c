"""Against a broker and a database that want TLS and passwords, as managed services do: all of it by settings."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from order_platform.settings import DatabaseSettings, KafkaSettings
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.embedded import new_postgres, serving
from tests.support.reading import read_topic
from tests.support.secured import PASSWORD, USER, Certificates, PostgresDoor, SecuredKafka
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

DATABASE_PASSWORD = "s3cret/of the:database"
ORDERS = 200


@dataclass
class Servers:
    """What a provider of managed services runs."""

    kafka: SecuredKafka
    superuser_url: str
    postgres: PostgresDoor
    certificates: Certificates


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both, serving."""
    folder = tmp_path_factory.mktemp("secured")
    (folder / "certificates").mkdir()
    certificates = Certificates(folder / "certificates")
    kafka = SecuredKafka(folder / "kafka", certificates)
    postgres = new_postgres(folder / "postgres")
    with serving(kafka), serving(postgres), PostgresDoor(postgres, certificates) as door:
        yield Servers(kafka, postgres.url(), door, certificates)


@pytest.fixture
async def database(servers: Servers, tmp_path: Path) -> dict[str, str]:
    """A separate database, with a user whose password needs quoting; settings that keep it in a file."""
    name = f"test_{os.urandom(4).hex()}"
    connection = await asyncpg.connect(servers.superuser_url)
    try:
        await connection.execute(f"create role {name} login password '{DATABASE_PASSWORD}'")
        await connection.execute(f"create database {name} owner {name}")
    finally:
        await connection.close()
    (tmp_path / "database-password").write_text(DATABASE_PASSWORD + "\n")
    place = f"localhost:{servers.postgres.port}/{name}?sslmode=verify-full&sslrootcert={servers.certificates.authority}"
    return {
        "ORDERWATCH_DATABASE_URL": f"postgresql://{name}@{place}",
        "ORDERWATCH_DATABASE_PASSWORD_FILE": str(tmp_path / "database-password"),
    }


def _broker(how: str, servers: Servers, folder: Path) -> dict[str, str]:
    """Settings that reach the broker by password, or by a client's certificate."""
    run = folder.name
    settings = {
        "ORDERWATCH_ORDERS_TOPIC": f"orders-{run}",
        "ORDERWATCH_DECISIONS_TOPIC": f"decisions-{run}",
        "ORDERWATCH_DEAD_LETTER_TOPIC": f"orders.dlq-{run}",
        "ORDERWATCH_LABELS_TOPIC": f"labels-{run}",
        "ORDERWATCH_CONSUMER_GROUP": f"group-{run}",
        "ORDERWATCH_KAFKA_CA_FILE": str(servers.certificates.authority),
    }
    if how == "certificate":
        return settings | {
            "ORDERWATCH_KAFKA": servers.kafka.tls,
            "ORDERWATCH_KAFKA_SECURITY": "SSL",
            "ORDERWATCH_KAFKA_CERTIFICATE_FILE": str(servers.certificates.client),
        }
    (folder / "kafka-password").write_text(PASSWORD)
    return settings | {
        "ORDERWATCH_KAFKA": servers.kafka.sasl,
        "ORDERWATCH_KAFKA_SECURITY": "SASL_SSL",
        "ORDERWATCH_KAFKA_MECHANISM": how,
        "ORDERWATCH_KAFKA_USERNAME": USER,
        "ORDERWATCH_KAFKA_PASSWORD_FILE": str(folder / "kafka-password"),
    }


def _run(module: str, *arguments: str, settings: dict[str, str]) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("how", ["PLAIN", "SCRAM-SHA-512", "certificate"])
async def test_orders_are_decided(
    how: str, servers: Servers, database: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _broker(how, servers, tmp_path) | database
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    ours = KafkaSettings()
    await asyncio.to_thread(_run, "orderwatch", "migrate", settings=settings)
    publish = ("generate", "--count", str(ORDERS), "--rate", "0")
    await asyncio.to_thread(_run, "order_producer", *publish, settings=settings)
    with DetectorProcess(ours, settings["ORDERWATCH_DATABASE_URL"], tmp_path / "detector.log", **settings) as detector:
        await until_consumed(ours, "the orders to be decided")
        assert await asyncio.to_thread(detector.get, "/readyz") == (200, '{"status": "ok", "problem": null}\n')
        assert await asyncio.to_thread(detector.terminate) == 0
    connection = await asyncpg.connect(DatabaseSettings().database_url.get_secret_value())
    try:
        assert await connection.fetchval("select count(*) from orders") == ORDERS
    finally:
        await connection.close()
    assert len(await read_topic(ours, ours.decisions_topic)) == ORDERS


@pytest.mark.parametrize("wrong", ["password", "authority"])
def test_who_is_not_let_in_says_so_and_keeps_the_secret(
    wrong: str, servers: Servers, database: dict[str, str], tmp_path: Path
) -> None:
    settings = _broker("SCRAM-SHA-512", servers, tmp_path) | database
    _run("orderwatch", "migrate", settings=settings)
    if wrong == "password":
        (tmp_path / "kafka-password").write_text("guessed")
    else:
        settings["ORDERWATCH_KAFKA_CA_FILE"] = str(servers.certificates.other_authority)
    log, place = tmp_path / "detector.log", KafkaSettings(kafka=servers.kafka.sasl)
    with DetectorProcess(place, settings["ORDERWATCH_DATABASE_URL"], log, **settings) as detector:
        eventually(lambda: "broker" in detector.get("/readyz")[1], "the detector to say that it is not let in")
        assert detector.get("/readyz")[0] == 503
        assert detector.get("/healthz")[0] == 200
        detector.terminate()
    logged = log.read_text()
    assert not [secret for secret in ("guessed", PASSWORD, DATABASE_PASSWORD) if secret in logged]


def test_a_database_that_refuses_is_named_without_its_password(
    servers: Servers, database: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "database-password").write_text("guessed")
    settings = _broker("SCRAM-SHA-512", servers, tmp_path) | database
    command = [sys.executable, "-m", "orderwatch", "migrate"]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert "password authentication failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert "guessed" not in done.stderr
