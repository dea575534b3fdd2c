"""`fraud-detector replay` on decisions of real detectors: identical, and every difference shown."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import duckdb
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from order_contract.business_time import business_date, business_date_start
from order_contract.event import OrderEvent
from order_contract.label import Label, LabelEvent
from order_contract.label_record import encode_label, label_key
from order_platform.settings import KafkaSettings
from tests.support.called_commands import call_fraud_detector
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.plain_order import plain_order
from tests.support.service import environment, run_command
from tests.support.waiting import until

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
DATES = "--from", str(business_date(NOW - timedelta(days=12))), "--to", str(business_date(NOW))
RULES = """
review_at: 50
decline_at: 90
lists: {{blocked: {{kind: block, field: device_id}}}}
features:
  user_orders: {{aggregate: count, key: user_id, window: 30d}}
  device_average: {{aggregate: avg, field: amount, key: device_id, window: 3d}}
  frauds: {{aggregate: label_count, label: fraud, key: device_id, window: 30d}}
  {more}
rules:
  - {{id: many, description: "{{user_orders}} orders", when: user_orders > 3, severity: low, score: 30}}
  - {{id: known, description: "{{frauds}} frauds on {{device_id}}", when: frauds > 1, severity: low, score: 30}}
  - {{id: blocked, description: "{{device_id}} is blocked", when: device_id in blocked, severity: high, score: 40}}
"""
OTHER = "users: {aggregate: distinct, field: user_id, key: device_id, window: 1d}"


class System:
    """A broker and a database, and what a test does to them."""

    def __init__(self, settings: KafkaSettings, database_url: str, folder: Path) -> None:
        self.settings = settings
        self.database_url = database_url
        self._folder = folder
        self._chance = random.Random(1)
        self._sent = 0

    async def publish_orders(self, count: int) -> None:
        """Orders of few users and devices, of which some are days late; wait until they are decided."""
        async with AIOKafkaProducer(**self.settings.client_options()) as producer:
            for number in range(self._sent, self._sent + count):
                late = timedelta(days=self._chance.choice((0, 0, 0, 0, 5, 10)), seconds=self._chance.randrange(600))
                event = plain_order(
                    f"o{number}",
                    user_id=f"U{self._chance.randrange(9)}",
                    device_id=f"D{self._chance.randrange(5)}",
                    amount=self._chance.randrange(10**6),
                    created_date=(NOW - late).isoformat(),
                )
                value, key = json.dumps(event).encode(), b"%d" % self._chance.randrange(50)
                await producer.send(self.settings.orders_topic, value, key)
                if number % 7 == 0:  # a repeat, which is not stored again
                    await producer.send(self.settings.orders_topic, value, key)
        self._sent += count
        await until_consumed(self.settings, "the orders to be decided")

    async def publish_labels(self, count: int) -> None:
        """Labels of orders, of which some were labelled before and some are still to come."""
        async with AIOKafkaProducer(**self.settings.client_options()) as producer:
            for _ in range(count):
                order_id = f"o{self._chance.randrange(self._sent + 40)}"
                event = LabelEvent(order_id, self._chance.choice(list(Label)), "test", None, datetime.now(UTC), None)
                await producer.send_and_wait(self.settings.labels_topic, encode_label(event), label_key(order_id))

    def publish_rules(self, more: str) -> None:
        file = self._folder / "rules.yaml"
        file.write_text(RULES.format(more=more))
        assert self.run("rules", "publish", str(file)).returncode == 0

    async def change_list(self, *change: str) -> None:
        done = await asyncio.to_thread(self.run, "lists", *change, "--reason", "test")
        assert done.returncode == 0, done.stderr

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """In this process, unless it starts processes itself."""
        if "--processes" in command:
            return run_command(self.settings, self.database_url, "fraud_detector", *command)
        return call_fraud_detector(self.settings, self.database_url, *command)

    def replay(self, *options: str) -> tuple[int, Sequence[dict[str, Any]], dict[str, Any]]:
        """The exit code, the orders that differ, and the summary."""
        done = self.run("replay", *(options or DATES), "--json")
        assert done.stdout, done.stderr
        *orders, summary = map(json.loads, done.stdout.splitlines())
        return done.returncode, orders, summary

    async def execute(self, statement: str, *arguments: object) -> Any:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()


async def test_decisions_of_several_detectors_are_identical_and_differences_are_shown(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    system = System(kafka_settings, database_url, tmp_path)
    await _decide_orders(system, tmp_path)

    code, differing, summary = await asyncio.to_thread(system.replay)
    assert (code, differing, summary["agrees"]) == (0, [], True)
    stored = await system.execute("select count(*) from orders")
    assert (summary["orders"], summary["decided_again"], summary["not_decided_again"]) == (stored, stored, {})
    assert len(summary["versions"]) == 3
    assert sum(version["orders"] for version in summary["versions"].values()) == stored
    features = await system.execute("select string_agg(features::text, '') from orders where lists_seen > 0")
    assert '"lists":["blocked"]' in features
    assert '"frauds":2' in features

    await _check_sources(system, tmp_path, stored)
    shown = await asyncio.to_thread(system.run, "replay", *DATES, "--processes", "3")
    assert shown.returncode == 0
    assert f"{stored} orders that were decided again agree with what is stored, to the bit" in shown.stdout
    await _check_differences(system, stored)


async def test_an_interrupt_ends_it_with_a_sentence(kafka_settings: KafkaSettings, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("lock table orders in access exclusive mode")
            replaying = _start_replay(kafka_settings, database_url)
            waiting = "select exists (select from pg_locks where not granted and relation = 'orders'::regclass)"
            await until(lambda: connection.fetchval(waiting), "the replay to wait for the orders")
            replaying.send_signal(signal.SIGINT)
            out, err = await asyncio.to_thread(replaying.communicate, timeout=120)
    finally:
        await connection.close()
    assert (replaying.returncode, out) == (130, "")
    assert err == "interrupted: 0 orders were decided again until then, 0 of them differ\n"


def _start_replay(settings: KafkaSettings, database_url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fraud_detector", "replay", *DATES],
        env=environment(settings, database_url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def _check_sources(system: System, folder: Path, stored: int) -> None:
    """The same orders from a warehouse and from files, which have what the batch side loads."""
    warehouse = folder / "warehouse.duckdb"
    await _write_warehouse(system, warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            """
            create view complete as
            select o.*, coalesce(to_json(h.hits)::varchar, '[]') as hits
            from raw.orders as o left join (
                select order_id, list(struct_pack(rule, severity, score, mode, reason) order by hit_number) as hits
                from raw.rule_hits group by order_id
            ) as h using (order_id)
            """
        )
        connection.execute(f"copy (select * from complete) to '{folder}/orders.parquet'")
        connection.execute(f"copy (select * from complete) to '{folder}/orders.jsonl'")
        connection.execute(f"copy (from complete union all from complete) to '{folder}/twice.parquet'")
        for table in ("orders", "rule_hits"):  # as order-batch writes an export
            (folder / "export" / table).mkdir(parents=True)
            connection.execute(f"copy raw.{table} to '{folder}/export/{table}/2026-11-20.parquet'")
    for source in (warehouse, folder / "orders.parquet", folder / "orders.jsonl", folder / "export"):
        code, differing, summary = await asyncio.to_thread(system.replay, *DATES, "--source", str(source))
        assert (code, differing, summary["agrees"], summary["incomplete_dates"]) == (0, [], True, []), summary
        assert summary["decided_again"] == stored

    # Of a retired date, a source needs the number of orders that it had then.
    day = business_date(NOW - timedelta(days=1))
    start = business_date_start(day)
    held = await system.execute(
        "select count(*) from orders where created_date >= $1 and created_date < $2", start, start + timedelta(days=1)
    )
    await system.execute("insert into retired_offsets values ($1, 1, 0, 0, 1)", system.settings.orders_topic)
    await system.execute("insert into retention (retired_before) values ($1)", business_date(NOW - timedelta(days=90)))
    for missing in (0, 1):
        await system.execute("delete from warehouse_loads")
        await system.execute(
            "insert into warehouse_loads (warehouse, table_name, partition_start, frozen_rows, frozen_at) "
            "values ('duckdb', 'orders', $1, $2, now())",
            day, held + missing,
        )  # fmt: skip
        _, _, summary = await asyncio.to_thread(system.replay, *DATES, "--source", str(folder / "orders.parquet"))
        assert summary["incomplete_dates"] == [day.isoformat()] * missing
    for table in ("warehouse_loads", "retention", "retired_offsets"):
        await system.execute(f"delete from {table}")

    # Windows that reach into a date which is not complete may lack orders: what differs there is not a difference.
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("delete from raw.orders where source_offset = 7")
    code, differing, summary = await asyncio.to_thread(system.replay, *DATES, "--source", str(warehouse))
    assert (code, differing, summary["agrees"]) == (1, [], False)
    assert summary["incomplete_dates"]
    assert summary["not_decided_again"]["missing-orders"] > 100
    for name, problem in (
        ("orders.csv", "not a file of stored orders by its name"),
        ("no.duckdb", "does not exist"),
        (".", "holds no exported orders"),
        ("twice.parquet", "two orders of the same partition and offset"),
    ):
        refused = await asyncio.to_thread(system.run, "replay", *DATES, "--source", str(folder / name))
        assert (refused.returncode, refused.stdout) == (2, "")
        assert problem in refused.stderr


async def _write_warehouse(system: System, file: Path) -> None:
    connection = await asyncpg.connect(system.database_url)
    orders = await connection.fetch(
        f"""
        select {", ".join(OrderEvent._fields[:-1])}, attributes::text, status, outcome, risk_score, features::text,
            ruleset_version, encode(seen, 'hex') as seen, lists_seen, source_topic, source_epoch, source_partition,
            source_offset
        from orders
        """
    )
    hits = await connection.fetch(
        """
        select (created_date at time zone 'Asia/Jakarta')::date as business_date, order_id, hit ->> 'rule' as rule,
            hit ->> 'severity' as severity, (hit ->> 'score')::int as score, hit ->> 'mode' as mode,
            hit ->> 'reason' as reason, hit_number
        from orders cross join lateral json_array_elements(hits) with ordinality as each (hit, hit_number)
        """
    )
    await connection.close()
    with duckdb.connect(str(file)) as warehouse:
        warehouse.execute("create schema raw")
        for table, rows in (("orders", orders), ("rule_hits", hits)):
            lines = file.with_name(f"{table}.loaded.jsonl")
            lines.write_bytes(b"\n".join(orjson.dumps(dict(row)) for row in rows))
            warehouse.execute(
                f"create table raw.{table} as select * from read_json('{lines}', format = 'newline_delimited')"
            )


async def _decide_orders(system: System, folder: Path) -> None:
    """Decide orders by three rulesets, one after the other, with labels and changes of a list in between."""
    with ExitStack() as stack:
        detectors = [
            stack.enter_context(DetectorProcess(system.settings, system.database_url, folder / f"{number}.log"))
            for number in range(2)
        ]
        await system.publish_orders(20)  # by the default rules, which have no history features
        await asyncio.to_thread(system.publish_rules, "")
        await until(lambda: _decided_by(system, versions=2), "the ruleset to be in force")
        await system.publish_orders(60)
        await system.publish_labels(40)
        # It expires for orders that are placed from then on: late ones are in the list.
        until_yesterday = (NOW - timedelta(days=1)).isoformat()
        await system.change_list("add", "blocked", "D1", "D2", "--expires", until_yesterday)
        await system.change_list("add", "blocked", "D2")
        await system.publish_orders(60)
        detectors[0].kill()
        detectors[0].start()
        await system.publish_labels(20)
        await system.publish_orders(40)
        await asyncio.to_thread(system.publish_rules, OTHER)
        await until(lambda: _decided_by(system, versions=3), "the other ruleset to be in force")
        await system.publish_orders(60)
        assert (
            await asyncio.to_thread(system.run, "lists", "remove", "blocked", "D1", "--reason", "test")
        ).returncode == 0
        await system.publish_orders(60)
        stored = "select count(*) >= 60 from labels"
        await until(lambda: system.execute(stored), "the labels to be stored")
        # The other one may have done all since the restart; a signal before its first line would end Python itself.
        await until(lambda: detectors[0].get("/healthz")[0] == 200, "the restarted detector to run")
        assert [detector.terminate() for detector in detectors] == [0, 0]


async def _decided_by(system: System, *, versions: int) -> bool:
    """Whether so many versions of the rules have decided orders, after a few more."""
    await system.publish_orders(5)
    return bool(await system.execute("select count(distinct ruleset_version) = $1 from orders", versions))


async def _check_differences(system: System, stored: int) -> None:
    changed = await system.execute(
        """
        update orders set risk_score = 7, features = replace(features::text, '"user_orders":', '"user_orders":1')::json
        where order_id = (
            select order_id from orders where seen is not null and features::text like '%"user_orders":%'
            and features::text not like '%"user_orders":null%' order by order_id limit 1
        )
        returning order_id
        """
    )
    code, differing, summary = await asyncio.to_thread(system.replay)
    assert (code, summary["differing"], summary["agrees"]) == (1, 1, False)
    (order,) = differing
    assert order["order_id"] == changed
    assert [each["field"] for each in order["differences"]] == ["risk_score", "features.user_orders"]
    assert order["differences"][0]["stored"] == 7
    shown = await asyncio.to_thread(system.run, "replay", *DATES)
    assert "features.user_orders" in shown.stdout
    assert f"1 of the {stored} orders that were decided again differ" in shown.stdout

    # What cannot be decided again is counted by its reason, and the replay does not agree then.
    await system.execute("update orders set ruleset_version = 'another' where order_id = $1", changed)
    code, differing, summary = await asyncio.to_thread(system.replay)
    assert (code, differing, summary["differing"]) == (1, [], 0)
    assert (summary["agrees"], summary["not_decided_again"]) == (False, {"unknown-ruleset": 1})
    await system.execute("insert into retired_offsets values ($1, 1, 0, 0, 1)", system.settings.orders_topic)
    await system.execute("insert into retention (retired_before) values ($1)", business_date(NOW - timedelta(days=4)))
    _, differing, summary = await asyncio.to_thread(system.replay)
    assert differing == []
    assert summary["not_decided_again"]["retired-orders"] > 100
    assert summary["decided_again"] >= 20, "the default rules' orders"
    nothing = await asyncio.to_thread(system.run, "replay", "--from", "2020-01-01", "--to", "2020-01-31")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "no order of these dates is stored" in nothing.stderr
