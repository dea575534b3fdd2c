"""The command lines show and read times in business time, whatever the zone of the machine is."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest
import typer
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from fraud_detector.cli import build_application as build_detector
from order_api.auth.keys import create_key
from order_api.cli import app as order_api
from order_platform.settings import KafkaSettings
from orderwatch.cli import build_application
from tests.commands.everyday import PROGRAMS
from tests.support.api import ApiProcess
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess

pytestmark = pytest.mark.integration

# Business time, and a zone in which the date is another one for half of the day.
ZONES = ("Asia/Jakarta", "America/New_York")
ORDER = {
    "order_id": "o1", "user_id": "U1", "product_id": "P1", "quantity": 2, "amount": 1_250_000,
    "payment_method": "QRIS", "country": "SG", "created_date": "2026-11-22T00:30:00",
}  # fmt: skip
BROKEN = {**ORDER, "order_id": "broken", "quantity": 0}


def _shown(zone: str, *command: str, **variables: str) -> str:
    environment = {**os.environ, **variables, "TZ": zone}
    done = subprocess.run(
        [PROGRAMS[command[0]], *command[1:]], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def shown_in() -> Iterator[Callable[..., Awaitable[str]]]:
    """Runs a command in this process, moved to a zone: to start one takes longer than what it does."""
    applications: Mapping[str, Callable[[str], typer.Typer]] = {
        "orderwatch": lambda called: build_application([called]),
        "fraud-detector": build_detector,
        "order-api": lambda _: order_api,
    }
    with pytest.MonkeyPatch.context() as environment:

        async def run(zone: str, name: str, *arguments: str) -> str:
            environment.setenv("TZ", zone)
            time.tzset()
            # The commands have event loops of their own.
            done = await asyncio.to_thread(CliRunner().invoke, applications[name](arguments[0]), arguments)
            assert done.exit_code == 0, f"{name} {arguments}: {done.output}"
            return done.stdout

        yield run
    time.tzset()


async def test_every_command_shows_the_same_in_every_zone(
    elsewhere: KafkaSettings,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shown_in: Callable[..., Awaitable[str]],
) -> None:
    connection = await asyncpg.connect(database_url)
    _, key = await create_key(connection, "test", "read")
    await connection.close()
    with (
        DetectorProcess(elsewhere, database_url, tmp_path / "detector.log"),
        ApiProcess(elsewhere, database_url, tmp_path / "api.log") as api,
    ):
        async with AIOKafkaProducer(**elsewhere.client_options()) as producer:
            for order in (ORDER, BROKEN):
                await producer.send_and_wait(elsewhere.orders_topic, json.dumps(order).encode(), key=b"U1")
        await until_consumed(elsewhere, "every message to be finished")
        monkeypatch.setenv("ORDERWATCH_API_URL", api.url)
        monkeypatch.setenv("ORDERWATCH_API_KEY", key)
        monkeypatch.setenv("ORDERWATCH_HOME", str(tmp_path))
        for command in (
            ("orderwatch", "flags"),
            ("orderwatch", "flags", "--since", "2026-11-22", "--until", "2026-11-22T00:31"),
            ("orderwatch", "order", "o1"),
            ("orderwatch", "explain", "o1"),
            ("orderwatch", "topics", elsewhere.orders_topic),
            ("orderwatch", "topics", elsewhere.decisions_topic),
            ("fraud-detector", "dead-letters", "list", "--from", "2026-11-22"),
        ):
            outputs = {await shown_in(zone, *command) for zone in ZONES}
            assert len(outputs) == 1, (command, outputs)
            assert " WIB" in outputs.pop(), command
        for zone in ZONES:
            assert "2026-11-22 00:30:00 WIB" in await shown_in(zone, "orderwatch", "flags")
        before = ("orderwatch", "flags", "--until", "2026-11-22T00:30")
        assert {await shown_in(zone, *before) for zone in ZONES} == {"No flagged orders like that.\n"}
        lags = {await shown_in(zone, "orderwatch", "lag") for zone in ZONES}
        assert len(lags) == 1
        listed = {await shown_in(zone, "order-api", "keys", "list") for zone in ZONES}
        assert len(listed) <= 2  # the minute of the last use may be written in between
        assert all(" WIB" in each for each in listed)


def test_orders_of_a_date_are_the_same_in_every_zone() -> None:
    command = ("order-producer", "generate", "--start", "2026-11-18", "--count", "200", "--to-stdout")
    outputs = {_shown(zone, *command) for zone in ZONES}
    assert len(outputs) == 1
    dates = {json.loads(line)["created_date"][:10] for line in outputs.pop().splitlines()}
    assert dates == {"2026-11-18"}


async def test_characters_that_the_output_cannot_hold_are_replaced(
    elsewhere: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(database_url)
    _, key = await create_key(connection, "test", "read")
    await connection.close()
    with (
        DetectorProcess(elsewhere, database_url, tmp_path / "detector.log"),
        ApiProcess(elsewhere, database_url, tmp_path / "api.log") as api,
    ):
        order = {**ORDER, "order_id": "FLD-EMO", "note": "\N{GRINNING FACE} caf\N{LATIN SMALL LETTER E WITH ACUTE}"}
        async with AIOKafkaProducer(**elsewhere.client_options()) as producer:
            await producer.send_and_wait(elsewhere.orders_topic, json.dumps(order).encode(), key=b"U1")
        await until_consumed(elsewhere, "the message to be finished")
        given = {"ORDERWATCH_API_URL": api.url, "ORDERWATCH_API_KEY": key, "PYTHONIOENCODING": "ascii"}
        for command in (("order", "FLD-EMO"), ("explain", "FLD-EMO"), ("topics", elsewhere.orders_topic), ("flags",)):
            assert "FLD-EMO" in _shown("UTC", "orderwatch", *command, **given)
        assert "note=? caf?" in _shown("UTC", "orderwatch", "order", "FLD-EMO", **given)
