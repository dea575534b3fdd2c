"""From orders of past days to the five marts, as the README has it, held against the lines on the topic."""

import asyncio
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
import pytest

from order_platform.settings import KafkaSettings
from tests.e2e.checkout import Checkout
from tests.support.expected_marts import Names, Order, Row, expected_marts, read_order
from tests.support.reading import read_topic
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

# Around the end of a month.
FIRST, LAST = "2026-01-30", "2026-02-01"
DATES = f"{FIRST}..{LAST}"
GENERATED = 3_000
# kill, setgid, setuid, setpcap: what the supervisor keeps where root starts it.
SUPERVISORS = 0b1_1110_0000 if os.geteuid() == 0 else 0
MARTS = (
    "mart_critical_hour_payments",
    "mart_most_fraudulent_users",
    "mart_product_payment_methods",
    "mart_user_blacklist_status",
    "mart_user_product_habits",
)
RULES = "mart_rule_performance"


@pytest.fixture(scope="module")
def checkout(clean_checkout: Checkout) -> Iterator[Checkout]:
    """A checkout that holds three past days and the marts of them."""
    make_marketplace_smaller(clean_checkout)
    clean_checkout.reuse_installation()
    with clean_checkout.running(PRODUCER="off"):
        clean_checkout.make("generate", START=FIRST, DAYS="3", COUNT=str(GENERATED))
        publish(clean_checkout, awkward_lines(on_topic(clean_checkout)))
        printed = clean_checkout.make("batch", DATE=DATES)
        assert all(name in printed for name in MARTS)
        yield clean_checkout


def test_marts_are_what_the_lines_on_the_topic_come_to(checkout: Checkout) -> None:
    assert sum(read_order(value) is None for value in on_topic(checkout)) == 3
    marts = published(checkout)
    assert {row["status"] for row in marts["mart_user_blacklist_status"]} == {"Blacklist", "Watchlist", "Good Standing"}
    assert sum(row["total_orders"] for row in marts["mart_user_blacklist_status"]) == GENERATED + 13
    assert_equal(marts, expected(checkout))


def test_rules_performed_as_the_api_says(checkout: Checkout) -> None:
    headers = {"Authorization": f"Bearer {checkout.env['ORDERWATCH_API_KEY']}"}
    span = {"from": f"{FIRST}T00:00:00+07:00", "to": f"{LAST}T23:59:59.999999+07:00", "period": "day"}
    with httpx.Client(base_url=checkout.env["ORDERWATCH_API_URL"], headers=headers, trust_env=False, timeout=60) as api:
        items = api.get("/v1/rules/performance", params=span).raise_for_status().json()["items"]
        found = list(rows(api, RULES))
    said = {(each["period"], each["rule"], each["ruleset_version"], each["mode"]): each for each in items}
    assert {(row["business_date"], row["rule"], row["ruleset_version"], row["mode"]) for row in found} == said.keys()
    for row in found:
        each = said[row["business_date"], row["rule"], row["ruleset_version"], row["mode"]]
        assert row["hits"] == each["hits"]["orders"]
        assert row["hit_amount"] == each["hits"]["money"].get("IDR", 0)
        assert row["labelled_hits"] == each["precision"]["whole"]


def test_decisions_are_made_again_from_the_database_and_the_warehouse(checkout: Checkout) -> None:
    """The rules are the default ones with the marketplace pack, whose features see history."""
    for source in ((), ("--source", str(checkout.home / "warehouse.duckdb"))):
        done = subprocess.run(
            [sys.executable, "-m", "fraud_detector", "replay", "--from", FIRST, "--to", LAST, "--json", *source],
            env={**os.environ, **checkout.env}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        *differing, summary = map(json.loads, done.stdout.splitlines())
        assert (done.returncode, differing, summary["not_decided_again"]) == (0, [], {}), done.stderr
        assert summary["decided_again"] == GENERATED + 14
        assert summary["incomplete_dates"] == []


def test_late_orders_are_found_and_repaired(checkout: Checkout) -> None:
    before = published(checkout)
    ordered = [order for order in map(read_order, on_topic(checkout)) if order is not None]
    late = [line(ordered[n], f"late-{n}", created_date=f"{FIRST}T0{n}:00:00", quantity=301) for n in range(3)]
    publish(checkout, late)
    assert dirty_dates(checkout.order_batch("reconcile", DATES, fails=True)) == {FIRST}
    checkout.order_batch("reconcile", DATES, "--repair")
    assert not dirty_dates(checkout.make("reconcile"))
    explained = checkout.orderwatch("explain", "late-0", "--warehouse")
    assert "compared: message, event, decision, published decision, warehouse" in explained
    repaired = published(checkout)
    assert repaired != before
    assert_equal(repaired, expected(checkout))


def test_nothing_that_is_kept_is_open_to_other_users(checkout: Checkout) -> None:
    """After a start, loads by hand, and dbt, whatever the umask."""
    modes = dict(walk(checkout.home))
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o066} == {}
    passable = {path for path, mode in modes.items() if mode & 0o011}
    assert passable <= {checkout.home / "postgres"}, "where another user's server passes through"


def test_nothing_listens_beyond_loopback_or_holds_a_capability(checkout: Checkout) -> None:
    """With all of Airflow up."""
    checkout.make("up", BATCH="on", PRODUCER="off")
    airflow = checkout.status()["airflow-api-server"]["address"]
    eventually(lambda: is_scheduling(airflow), "Airflow to schedule", within=400)
    services = checkout.status().values()
    supervisor, *processes = checkout.processes()
    assert {service["pid"] for service in services} <= {process.pid for process in processes}
    listening = [connection for process in (supervisor, *processes) for connection in listeners(process)]
    ports = {connection.laddr.port for connection in listening}
    assert {urlsplit(service["address"]).port or 0 for service in services if "//" in service["address"]} <= ports
    assert [each for each in listening if not is_loopback(each.laddr.ip)] == []
    assert {process.pid: capabilities(process) for process in processes if capabilities(process)} == {}
    # What it takes to start PostgreSQL as another user, and to stop it.
    assert capabilities(supervisor) | SUPERVISORS == SUPERVISORS
    test_nothing_that_is_kept_is_open_to_other_users(checkout)


def make_marketplace_smaller(checkout: Checkout) -> None:
    """One new user, product and price an hour, not ten, two and eight, and open since the month of the first orders:
    the catalog is filled with all of them.
    """
    module = checkout.folder / "packages/marketplace-simulator/marketplace_simulator/world.py"
    constants = re.compile(r"^(USERS|NEW_PRODUCTS|PRICE_CHANGES)_PER_HOUR = \d+$", re.MULTILINE)
    changed, count = constants.subn(r"\1_PER_HOUR = 1", module.read_text())
    changed, opened = re.subn(
        r"^EPOCH = datetime\(2025, 1, 1,", "EPOCH = datetime(2026, 1, 1,", changed, flags=re.MULTILINE
    )
    assert (count, opened) == (3, 1)
    module.write_text(changed)


def is_scheduling(airflow: str) -> bool:
    """Whether Airflow's health page says so."""
    try:
        health = httpx.get(f"{airflow}/api/v2/monitor/health", trust_env=False, timeout=60).json()
    except (httpx.HTTPError, ValueError):
        return False
    return bool(health["scheduler"]["status"] == "healthy")


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address; Java writes 127.0.0.1 as an address of IPv6."""
    parsed = ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def listeners(process: psutil.Process) -> list[Any]:
    """Sockets that another process could send to; none of a process that has ended in the meantime."""
    try:
        connections = process.net_connections("inet")
    except psutil.NoSuchProcess:
        return []
    return [each for each in connections if each.status == psutil.CONN_LISTEN or each.type == socket.SOCK_DGRAM]


def walk(folder: Path) -> Iterator[tuple[Path, int]]:
    """Each path under the folder, itself included, with its mode; links have no rights of their own."""
    for path in (folder, *folder.rglob("*")):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # the running services remove files of theirs
            continue
        if not stat.S_ISLNK(mode):
            yield path, mode


def capabilities(process: psutil.Process) -> int:
    """All that it has or could take, as bits."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except FileNotFoundError:  # it has ended in the meantime
        return 0
    status = dict(line.split(":\t", 1) for line in lines)
    return int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapInh"], 16) | int(status["CapAmb"], 16)


def awkward_lines(values: Sequence[bytes]) -> list[bytes]:
    """Lines beside the generated ones, of their users and products: 13 orders in rupiah, 1 in dollars, 3 broken."""
    found = [order for order in map(read_order, values) if order is not None]
    placed: list[tuple[str, dict[str, Any]]] = [
        # Where a date or an hour changes in Jakarta, and where it does elsewhere.
        ("2026-01-29T17:00:00Z", {"amount": 100_000_000}),
        ("2026-01-31T21:59:59.999999Z", {"quantity": 101}),
        ("2026-01-31T22:00:00Z", {"quantity": 101, "amount": "Rp.100,000,000"}),
        ("2026-01-31T23:59:59.999999+07:00", {"amount": "Rp.0"}),
        ("2026-02-01T00:00:00", {"amount": 99_999_999, "quantity": 100}),
        ("2026-02-01T05:30:00+09:00", {"amount": "Rp.100,000,000"}),
        ("2026-02-01 23:59:59", {"amount": 299_999_999, "quantity": 300}),
        # Other spellings, and amounts on either side of a threshold.
        ("2026-01-31T12:00:00", {"payment_method": "gopay", "amount": "Rp.50,000,001"}),
        ("2026-01-31T12:00:00", {"payment_method": "PAYLATER", "amount": "Rp.50,000,000"}),
        ("2026-01-31T12:00:00", {"payment_method": "credit card", "country": "id"}),
        ("2026-01-31T12:00:00", {"country": "sg", "currency": "idr"}),
        ("2026-01-31T12:00:00", {"currency": "USD", "amount": 120}),
    ]
    lines = [
        line(found[n], f"awkward-{n}", created_date=moment, **changed) for n, (moment, changed) in enumerate(placed)
    ]
    again = line(found[0], "twice", created_date="2026-01-31T12:00:00")
    other = line(found[0], "twice", created_date="2026-01-30T12:00:00", amount=400_000_000)
    largest = line(found[0], "largest", created_date="2026-01-31T12:00:00", amount=10**15)
    broken = [b"{broken", line(found[0], "broken", amount="Rp.12,34"), line(found[0], "broken", created_date="now")]
    return [*lines, again, again, other, largest, *broken]


def line(like: Order, order_id: str, **changed: Any) -> bytes:
    """A line with an unsuspicious order, with changes."""
    fields = {
        "order_id": order_id, "user_id": like.user_id, "product_id": like.product_id, "quantity": 1, "amount": 1_000,
        "payment_method": "QRIS", "country": "ID", "created_date": f"{FIRST}T12:00:00",
    }  # fmt: skip
    return json.dumps({**fields, **changed}).encode()


def publish(checkout: Checkout, lines: Sequence[bytes]) -> None:
    """Replay lines as they are, and wait until each has its outcome."""
    file = checkout.folder.parent / "lines.jsonl"
    file.write_bytes(b"".join(each + b"\n" for each in lines))
    checkout.make("replay", FILE=str(file))
    assert "Each consumed message has exactly one outcome" in checkout.orderwatch("reconcile", "--wait", "120")


def dirty_dates(printed: str) -> set[str]:
    """The dates of the lines in a reconciliation's table that do not agree."""
    lines = [each.split() for each in printed.splitlines()]
    compared = [words for words in lines if words[1:2] in (["orders"], ["rule_hits"]) and words[0] != "topic"]
    assert {words[0] for words in compared} >= {FIRST, LAST}
    return {words[0] for words in compared if words[-1] != "agrees"}


def on_topic(checkout: Checkout) -> list[bytes]:
    """What topic orders holds, in the order of its partitions: all of a user's is in one of them."""
    settings = KafkaSettings(kafka=checkout.env["ORDERWATCH_KAFKA"])
    records = asyncio.run(read_topic(settings, settings.orders_topic))
    return [record.value for record in sorted(records, key=lambda record: (record.partition, record.offset))]


def expected(checkout: Checkout) -> dict[str, list[Row]]:
    """The marts as counted from the topic, with names from the catalog."""
    users, products = asyncio.run(catalog(checkout))
    return expected_marts(on_topic(checkout), users, products)


async def catalog(checkout: Checkout) -> tuple[Names, Names]:
    """Users and products as the catalog has them in Postgres: the newest version of each."""
    connection = await asyncpg.connect(checkout.env["ORDERWATCH_DATABASE_URL"])
    try:
        users = await connection.fetch("select user_id, first_name, last_name, email from users order by valid_from")
        products = await connection.fetch("select product_id, product_name, category from products order by valid_from")
    finally:
        await connection.close()
    return dict(map(keyed, users)), dict(map(keyed, products))


def keyed(record: asyncpg.Record) -> tuple[str, Row]:
    """The first column, and the others."""
    (_, key), *others = record.items()
    return key, dict(others)


def published(checkout: Checkout) -> dict[str, list[Row]]:
    """Every row of every mart, page by page over the API."""
    headers = {"Authorization": f"Bearer {checkout.env['ORDERWATCH_API_KEY']}"}
    with httpx.Client(base_url=checkout.env["ORDERWATCH_API_URL"], headers=headers, trust_env=False, timeout=60) as api:
        marts = api.get("/v1/marts").raise_for_status().json()["items"]
        return {mart["name"]: list(rows(api, mart["name"])) for mart in marts}


def rows(api: httpx.Client, mart: str) -> Iterator[Row]:
    parameters: dict[str, Any] = {"limit": 1000}
    while True:
        page = api.get(f"/v1/marts/{mart}", params=parameters).raise_for_status().json()
        yield from page["items"]
        if page["next"] is None:
            return
        parameters["cursor"] = page["next"]


def assert_equal(found: dict[str, list[Row]], counted: dict[str, list[Row]]) -> None:
    """The same marts with the same rows in the same order, names and all; that of rules has a test of its own."""
    assert found.keys() - {RULES} == counted.keys() == set(MARTS)
    for name in MARTS:
        assert found[name], name
        assert all(None not in row.values() for row in found[name]), name
        assert found[name] == counted[name], name
