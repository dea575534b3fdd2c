"""What people ask, of a real detector and a real API."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import Result

from order_api.auth.keys import create_key
from order_platform.command_line.errors import ExitCode
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.command import Orderwatch
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess

pytestmark = pytest.mark.integration

ODD_IDS = ("..", "INV/2026/../1", "a b?c#d%2Fe&f=1", "Überweisung 7")


def fields(order_id: str, **changes: Any) -> dict[str, Any]:
    """An order that is flagged for its country."""
    return {
        "order_id": order_id,
        "user_id": "U1",
        "product_id": "P1",
        "quantity": 2,
        "amount": 1_250_000,
        "payment_method": "QRIS",
        "country": "SG",
        "created_date": "2026-11-22T10:15:00",
        **changes,
    }


@dataclass
class RunningSystem:
    """A system that runs, and the command to ask it."""

    settings: KafkaSettings
    database_url: str
    run: Orderwatch
    api: ApiProcess

    async def ask(self, *arguments: str) -> Result:
        """In a thread, as some commands have an event loop of their own."""
        return await asyncio.to_thread(self.run, *arguments)

    async def publish(self, *orders: dict[str, Any]) -> None:
        """And wait until each has an outcome."""
        async with AIOKafkaProducer(**self.settings.client_options()) as producer:
            for order in orders:
                await producer.send(self.settings.orders_topic, json.dumps(order).encode(), key=b"U1")
        await until_consumed(self.settings, "every message to be finished")


@pytest.fixture
async def system(
    orderwatch: Orderwatch,
    elsewhere: KafkaSettings,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RunningSystem]:
    """A detector, an API, and a key for it in the environment."""
    connection = await asyncpg.connect(database_url)
    _, key = await create_key(connection, "test", "read")
    await connection.close()
    api = ApiProcess(elsewhere, database_url, tmp_path / "api.log")
    with DetectorProcess(elsewhere, database_url, tmp_path / "detector.log"):
        await asyncio.to_thread(api.__enter__)
        try:
            monkeypatch.setenv("ORDERWATCH_API_URL", api.url)
            monkeypatch.setenv("ORDERWATCH_API_KEY", key)
            yield RunningSystem(elsewhere, database_url, orderwatch, api)
        finally:
            api.__exit__()


async def test_orders_flags_and_lag(system: RunningSystem) -> None:
    await system.publish(
        fields("o1", amount="Rp.350,000,000", note="[bold]as a gift"),
        fields("o2", country="ID"),
        fields("o3", user_id="U2\x1b[2J"),
        fields("bad", quantity=0),
        *map(fields, ODD_IDS),
    )
    shown = (await system.ask("order", "o1", "--wait", "10s")).stdout
    for text in ("350,000,000 IDR", "2026-11-22 10:15:00", "Ordered from SG", "decline 100", "note=[bold]as a gift"):
        assert text in shown
    assert "no rule fired" in (await system.ask("order", "o2")).stdout
    connection = await asyncpg.connect(system.database_url)
    await connection.execute(
        """
        insert into labels
            (topic, epoch, partition, "offset", order_id, label, source, author, labelled_at, appended_at)
        values ('labels', 1, 0, 0, 'o2', 'chargeback', 'bank', 'dina', '2026-11-22 05:00:00+00', now())
        """
    )
    await connection.close()
    labelled = (await system.ask("order", "o2")).stdout
    assert "chargeback  by dina, bank, 2026-11-22 12:00:00 WIB" in labelled
    assert "\x1b[2J" not in (await system.ask("order", "o3")).stdout
    for order_id in ODD_IDS:
        assert json.loads((await system.ask("order", order_id, "--json")).stdout)["order_id"] == order_id
        assert json.loads((await system.ask("explain", order_id, "--json")).stdout)["agrees"] is True

    unknown = await system.ask("order", "unknown")
    assert unknown.exit_code == 1
    assert "was not published" in str(unknown.exception)
    dead = await system.ask("order", "bad")
    assert dead.exit_code == 1
    assert "quantity must be an integer of at least 1, got 0" in str(dead.exception)
    assert f"explain {system.settings.orders_topic}/" in getattr(dead.exception, "advice", "")
    dead = await system.ask("order", "bad", "--json")
    assert (dead.exit_code, json.loads(dead.stdout)["code"]) == (1, "order-dead-lettered")

    table = (await system.ask("flags")).stdout
    assert "350,000,000 IDR" in table
    assert "o2" not in table
    assert "\x1b[2J" not in table

    async def listed(*options: str) -> list[str]:
        lines = (await system.ask("flags", *options, "--json")).stdout.splitlines()
        return [json.loads(line)["order_id"] for line in lines]

    assert await listed("--outcome", "decline") == ["o1"]
    assert set(await listed("--rule", "foreign-country")) == {"o1", "o3", *ODD_IDS}
    assert await listed("--user", "U2\x1b[2J") == ["o3"]
    assert len(await listed("--limit", "3")) == 3
    assert await listed("--since", "2026-11-22T10:15:00", "--until", "2026-11-22T10:15:01", "--country", "MY") == []
    assert len(await listed("--since", "2026-11-22", "--until", "2026-11-23")) == 2 + len(ODD_IDS)
    assert await listed("--until", "2026-11-22T10:15") == []
    assert "No flagged orders like that" in (await system.ask("flags", "--user", "unknown")).stdout
    for options, sentence in (
        (["--country", "UK"], "write GB"),
        (["--since", "1h", "--until", "2h"], "is not after `from`"),
        (["--rule", "foreign-contry"], "write foreign-country"),
        (["--rule", "foreign-contry", "--follow"], "write foreign-country"),
    ):
        refused = await system.ask("flags", *options)
        assert refused.exit_code == 1, options
        assert sentence in str(refused.exception), options

    lag = json.loads((await system.ask("lag", "--json")).stdout)
    assert lag["lag"] == 0
    assert lag["group"]["state"] == "Stable"
    assert [member["partitions"] for member in lag["group"]["members"]] == [[0, 1, 2, 3]]
    assert "Nothing waits" in (await system.ask("lag")).stdout


async def test_marts_are_shown_with_the_date_that_their_data_reach(system: RunningSystem) -> None:
    assert "No mart is published yet" in (await system.ask("marts")).stdout
    connection = await asyncpg.connect(system.database_url)
    await connection.execute(
        """
        create table marts.mart_users as
            select n as position, 'U' || n as user_id, n * 1000 as total_amount, n / 3.0::float8 as fraud_rate,
                timestamp '2026-11-20 09:30' as latest_order from generate_series(1, 1200) as n;
        create index on marts.mart_users (user_id, position);
        insert into published_marts values ('mart_users', '[bold]Users.', 1200, gen_random_uuid(), '2026-11-20 18:05Z');
        insert into published_partitions values ('orders', '2026-11-20', 3, 1);
        """
    )
    await connection.close()
    listed = (await system.ask("marts")).stdout
    assert listed.splitlines()[1].split() == ["mart_users", "1,200", "2026-11-20", "2026-11-21", "01:05:00", "WIB"]
    (mart,) = (await system.ask("marts", "--json")).stdout.splitlines()
    assert (json.loads(mart)["data_up_to"], json.loads(mart)["rows"]) == ("2026-11-20", 1200)

    shown = (await system.ask("marts", "mart_users", "--user", "U12")).stdout
    assert "data up to 2026-11-20, published 2026-11-21 01:05:00 WIB; 1,200 rows" in shown
    for text in ("[bold]Users.", "12,000", "4.0000", "2026-11-20 09:30:00 WIB"):
        assert text in shown
    assert "U1 " not in shown
    rows = (await system.ask("marts", "mart_users", "--limit", "1100", "--json")).stdout.splitlines()
    assert [json.loads(row)["user_id"] for row in rows] == [f"U{number}" for number in range(1, 1101)]
    assert "No rows match." in (await system.ask("marts", "mart_users", "--user", "U999999")).stdout

    unknown = await system.ask("marts", "mart_unknown")
    assert unknown.exit_code == 1
    assert "mart_unknown" in str(unknown.exception)
    no_filter = await system.ask("marts", "mart_users", "--product", "P1")
    assert "product_id: is not a filter of mart_users: filter it by user_id" in str(no_filter.exception)
    assert getattr(no_filter.exception, "exit_code", None) == ExitCode.USAGE
    without_name = await system.ask("marts", "--user", "U1")
    assert getattr(without_name.exception, "exit_code", None) == ExitCode.USAGE


async def test_the_audit_log_is_shown_with_its_filters(system: RunningSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = await system.ask("audit")
    assert refused.exit_code == 1
    connection = await asyncpg.connect(system.database_url)
    _, key = await create_key(connection, "administrator", "admin")
    await connection.execute(
        """
        insert into audit_log (actor, action, subject_kind, subject_id, reason, before, after)
        values ('dina', 'add', 'list', 'blocked', 'three chargebacks', null, '{"values": ["d-1"]}'),
            ('rudi', 'publish', 'ruleset', 'abc', null, null, null)
        """
    )
    await connection.close()
    monkeypatch.setenv("ORDERWATCH_API_KEY", key)
    shown = (await system.ask("audit", "--kind", "list", "--id", "blocked")).stdout
    for text in ("dina", "add list blocked", "three chargebacks", "d-1"):
        assert text in shown
    assert "rudi" not in shown
    lines = (await system.ask("audit", "--actor", "rudi", "--since", "1h", "--json")).stdout.splitlines()
    assert [json.loads(line)["subject_id"] for line in lines] == ["abc"]
    assert "No change is recorded like that" in (await system.ask("audit", "--until", "1h", "--actor", "dina")).stdout


async def test_without_a_detector_lag_says_so(orderwatch: Orderwatch, elsewhere: KafkaSettings) -> None:
    async with AIOKafkaProducer(**elsewhere.client_options()) as producer:
        await producer.send_and_wait(elsewhere.orders_topic, b"{}", partition=0)
    shown = (await asyncio.to_thread(orderwatch, "lag")).stdout
    assert "1 messages wait" in shown
    assert "No detector is reading" in shown
    assert "none" in shown


@contextmanager
def following(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """`orderwatch flags --follow` as a process of its own."""
    command = [sys.executable, "-m", "orderwatch", "flags", "--follow", "--json", *options]
    with subprocess.Popen(
        command,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that a shell runs in the background have Ctrl-C ignored, and would hand that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_flags_are_followed_through_a_restart_of_the_api_until_ctrl_c(
    system: RunningSystem, tmp_path: Path
) -> None:
    with following("--rule", "foreign-country") as process:
        assert process.stdout is not None
        assert process.stderr is not None

        async def next_order() -> str:
            line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 60)  # type: ignore[union-attr]
            return str(json.loads(line)["order_id"])

        assert "connected to" in await asyncio.to_thread(process.stderr.readline)
        assert "listening from now on" in await asyncio.to_thread(process.stderr.readline)
        await system.publish(fields("o1"), fields("o2", country="ID"), fields("o3"))
        assert {await next_order(), await next_order()} == {"o1", "o3"}

        await asyncio.to_thread(system.api.terminate)
        await system.publish(fields("o4"))  # while no client listens
        again = ApiProcess(
            system.settings, system.database_url, tmp_path / "api.log", ORDERWATCH_API_PORT=str(system.api.port)
        )
        again.port, again.url = system.api.port, system.api.url
        await asyncio.to_thread(again.__enter__)
        try:
            assert await next_order() == "o4"
            process.send_signal(signal.SIGINT)
            said = await asyncio.to_thread(process.communicate)
            assert process.returncode == 0
            assert said[0] == ""
            assert "trying again until it works" in said[1]
            assert "resuming after the last decision" in said[1]
            assert "Traceback" not in said[1]
        finally:
            again.__exit__()
