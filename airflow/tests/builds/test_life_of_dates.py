"""Random sequences of what happens to dates: the verdict of the comparison against one that is written out here.

ORDERWATCH_RECONCILE_SEQUENCES is how many are tried, from seed ORDERWATCH_RECONCILE_FIRST_SEED on; each costs several
builds.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

import duckdb
import orjson
import psycopg
import pytest
import structlog

from order_batch.pipeline import BatchPipeline
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Dbt
from order_batch.warehouse.duckdb import SETTINGS, DuckDbWarehouse, connect_when_free
from order_batch.warehouse.tables import ORDERS
from tests.conftest import StoreOrders

pytestmark = pytest.mark.usefixtures("without_data_tests")

FIRST, LAST = date(2026, 11, 18), date(2026, 11, 19)
DAYS = [FIRST, LAST]
SEQUENCES = int(os.environ.get("ORDERWATCH_RECONCILE_SEQUENCES", "1"))
FIRST_SEED = int(os.environ.get("ORDERWATCH_RECONCILE_FIRST_SEED", "0"))
STEPS = 8

log = structlog.get_logger()

Rows = dict[date, list[tuple[Any, ...]]]
DAY = "(created_date at time zone 'Asia/Jakarta')::date"
# Columns that bronze leaves as they are.
KEPT = "order_id, user_id, product_id, quantity, amount, status, risk_score, device_id, stored_at"


class Life:
    """Two dates with their stages, and what is known of them without any hash."""

    def __init__(self, settings: BatchSettings, connection: "psycopg.Connection[Any]", chance: Random) -> None:
        self.settings = settings
        self.connection = connection
        self.chance = chance
        self.warehouse = DuckDbWarehouse(settings.warehouse_path)
        self.warehouse.prepare()
        self.pipeline = BatchPipeline(settings, connection, self.warehouse)
        self.backup = settings.warehouse_path.with_suffix(".backup")
        self.unfinished: set[date] = set(DAYS)
        """Dates whose last build did not finish."""
        self.backed_up: set[date] = set(DAYS)
        self.published: Rows = {}
        """What was built when it was published."""
        self.steps: dict[str, Callable[[], None]] = {
            "late order": self.late_order, "delete": self.delete, "update": self.update, "load": self.load,
            "lost file": self.lose_file, "back up": self.back_up, "restore": self.restore,
            "killed build": self.kill_build, "built, not published": self.load_and_build, "publish": self.publish,
            "run": self.run, "clear": self.clear, "backfill": self.backfill, "full refresh": self.refresh,
        }  # fmt: skip

    def day(self) -> date:
        return self.chance.choice(DAYS)

    def order_id(self) -> str:
        found = self.connection.execute("select order_id from orders order by 1").fetchall()
        return str(self.chance.choice(found)[0])

    def late_order(self) -> None:
        columns = [name for name, in self.connection.execute(
            "select column_name from information_schema.columns where table_name = 'orders'"
        )]  # fmt: skip
        number = self.chance.getrandbits(40)
        values = {"order_id": f"'late-{number}'", "source_offset": str(number)}
        self.connection.execute(
            f"insert into orders ({', '.join(columns)}) "
            f"select {', '.join(values.get(name, name) for name in columns)} from orders where order_id = %s",
            [self.order_id()],
        )

    def delete(self) -> None:
        self.connection.execute("delete from orders where order_id = %s", [self.order_id()])

    def update(self) -> None:
        change = self.chance.choice(["amount = amount + 1", "device_id = device_id || '!'", "risk_score = 99"])
        self.connection.execute(f"update orders set {change} where order_id = %s", [self.order_id()])

    def load(self) -> None:
        self.pipeline.load_orders(self.day())

    def lose_file(self) -> None:
        self.settings.warehouse_path.unlink()
        self.warehouse.prepare()
        self.unfinished = set(DAYS)

    def back_up(self) -> None:
        shutil.copy(self.settings.warehouse_path, self.backup)
        self.backed_up = set(self.unfinished)

    def restore(self) -> None:
        if self.backup.exists():
            shutil.copy(self.backup, self.settings.warehouse_path)
            self.unfinished = set(self.backed_up)

    def kill_build(self) -> None:
        """What a kill leaves: the first models are there, the others are as they were."""
        day = self.day()
        self.pipeline.load_orders(day)
        self.unfinished.add(day)
        last = self.chance.choice(["fct_orders", "agg_daily_user_orders", "mart_user_blacklist_status"])
        arguments = orjson.dumps({"start_date": day, "end_date": day}).decode()
        Dbt(self.settings).run("run", "--select", f"+{last}", "--vars", arguments)

    def load_and_build(self) -> None:
        day = self.day()
        self.pipeline.load_users(LAST)
        self.pipeline.load_orders(day)
        self.build(day)

    def build(self, day: date, *, full_refresh: bool = False) -> None:
        before = self.is_outdated()
        self.pipeline.build(day, day, full_refresh=full_refresh).require_success()
        self.unfinished -= set(DAYS) if full_refresh or before else {day}

    def is_outdated(self) -> bool:
        """Whether a build makes all dates: the first one, and one after a first build that was killed, which has
        recorded no versions.
        """
        models = self.warehouse.models()
        return not models or any(model.version is None for model in models)

    def publish(self) -> None:
        if self.has("gold.mart_user_product_habits") and self.has("silver.built_partitions"):
            self.pipeline.publish()
            built = self.facts()
            self.published = {day: rows for day, rows in built.items() if day not in self.unfinished}

    def run(self) -> None:
        self.load_and_build()
        self.publish()

    def clear(self) -> None:
        """What clearing a task of a date does: it is done again with those after it, without those before it."""
        day = self.day()
        if self.chance.random() < 0.5:
            self.pipeline.load_orders(day)
        self.build(day)
        self.publish()

    def backfill(self) -> None:
        """A run for each date, of which that of the later date may come first."""
        self.pipeline.load_users(LAST)
        for day in self.chance.sample(DAYS, k=len(DAYS)):
            self.pipeline.load_orders(day)
            self.build(day)
            self.publish()

    def refresh(self) -> None:
        self.build(self.day(), full_refresh=True)

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.settings.warehouse_path, config=dict(SETTINGS)) as found:
            found.execute("set TimeZone = 'UTC'")
            return found.execute(query).fetchall()

    def has(self, relation: str) -> bool:
        schema, name = relation.split(".")
        return bool(
            self.read(
                f"select 1 from information_schema.tables where table_schema = '{schema}' and table_name = '{name}'"
            )
        )

    def stored(self, columns: str = KEPT) -> Rows:
        return by_date(self.connection.execute(f"select {DAY}, {columns} from orders").fetchall())

    def facts(self) -> Rows:
        if not self.has("silver.fct_orders"):
            return {}
        return by_date(self.read(f"select business_date, {KEPT} from silver.fct_orders"))

    def clean(self) -> set[date]:
        """The dates on which every stage holds what Postgres holds, compared value by value."""
        names = [column.name for column in ORDERS.columns if column.name != "business_date"]
        texts = ", ".join(f"{name}::text" if name in {"attributes", "features"} else name for name in names)
        everything, stored = self.stored(texts), self.stored()
        raw = by_date(self.read(f"select business_date, {', '.join(names)} from raw.orders"))
        facts = self.facts()
        return {
            day
            for day in DAYS
            if everything.get(day) == raw.get(day)
            and self.hits_stored().get(day, []) == self.hits_in("raw.rule_hits").get(day, [])
            and stored.get(day) == facts.get(day) == self.published.get(day)
            and self.hits_stored().get(day, []) == self.hits_in("silver.fct_rule_hits").get(day, [])
            and all(self.totals(stored[day], key) == self.aggregate(day, key) for key in ("user_id", "product_id"))
            and day not in self.unfinished
        }

    def hits_stored(self) -> Rows:
        return by_date(
            self.connection.execute(
                f"select {DAY}, order_id, h ->> 'rule', h ->> 'reason' from orders, json_array_elements(hits) as h"
            ).fetchall()
        )

    def hits_in(self, table: str) -> Rows:
        return (
            by_date(self.read(f"select business_date, order_id, rule, reason from {table}")) if self.has(table) else {}
        )

    @staticmethod
    def totals(rows: list[tuple[Any, ...]], key: str) -> dict[str, tuple[int, int]]:
        """Number and sum of orders by a key."""
        found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for row in rows:
            of = dict(zip(KEPT.split(", "), row, strict=True))
            count, amount = found[of[key]]
            found[of[key]] = count + 1, amount + of["amount"]
        return dict(found)

    def aggregate(self, day: date, key: str) -> dict[str, tuple[int, int]]:
        table = {"user_id": "agg_daily_user_orders", "product_id": "agg_daily_product_payment_orders"}[key]
        found = self.read(
            f"select {key}, sum(total_orders)::bigint, sum(total_amount)::bigint from silver.{table} "
            f"where business_date = '{day}' group by 1"
        )
        return {name: (count, amount) for name, count, amount in found}

    def marts_hold_what_postgres_holds(self) -> bool:
        rupiah = self.connection.execute(
            "select user_id, count(*), sum(amount)::bigint, count(*) filter (where status = 'fraud') from orders "
            "where currency = 'IDR' group by 1 order by 1"
        ).fetchall()
        mart = "select user_id, total_orders, total_purchasing, fraud_orders_count from {}.mart_user_blacklist_status"
        gold = self.read(mart.format("gold"))
        published = self.connection.execute(mart.format("marts")).fetchall()
        pairs = self.connection.execute(
            "select user_id, product_id, count(*), sum(amount)::bigint, count(*) filter (where status = 'fraud'), "
            "max(created_date at time zone 'Asia/Jakarta') from orders where currency = 'IDR' group by 1, 2"
        ).fetchall()
        habits = self.connection.execute(
            "select user_id, product_id, total_orders, total_amount, fraud_orders, latest_order "
            "from marts.mart_user_product_habits"
        ).fetchall()
        return sorted(rupiah) == sorted(gold) == sorted(published) and sorted(pairs) == sorted(habits)

    def check(self, history: list[str]) -> None:
        """The verdict is that of the values, and says clean only when the marts are right."""
        # Opening the file costs more than most of what is read, unless it is open already.
        with connect_when_free(self.settings.warehouse_path, 0, SETTINGS):
            self._check(history)

    def _check(self, history: list[str]) -> None:
        verdict = {each.partition.start for each in self.pipeline.compare(FIRST, LAST) if not each.is_clean}
        clean = self.clean()
        months_clean = not verdict - set(DAYS)
        assert verdict & set(DAYS) == set(DAYS) - clean, history
        if clean == set(DAYS) and months_clean:
            assert self.marts_hold_what_postgres_holds(), history
            assert self.pipeline.differing_marts() == [], history


def by_date(rows: list[tuple[Any, ...]]) -> Rows:
    found: Rows = defaultdict(list)
    for day, *values in sorted(rows, key=repr):
        found[day].append(tuple(values))
    return dict(found)


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEQUENCES))
def test_the_verdict_is_that_of_the_values_whatever_happens(
    settings: BatchSettings,
    connection: "psycopg.Connection[Any]",
    store_orders: StoreOrders,
    seed: int,
) -> None:
    store_orders(FIRST, 2, 30)
    connection.execute("alter table orders drop constraint if exists orders_source_unique")
    connection.execute(
        "insert into users select distinct user_id, '2026-11-01 00:00+07'::timestamptz, 'A', 'B', 'a@example.com', "
        "'DANA', 'Bandung', '2026-11-01 00:00+07'::timestamptz from orders"
    )
    life = Life(settings, connection, Random(seed))
    history = []
    for _ in range(STEPS):
        name = life.chance.choice(list(life.steps))
        history.append(name)
        life.steps[name]()
        life.check(history)
    log.info("lived", seed=seed, steps=history)
    done = life.pipeline.repair(FIRST, LAST, life.pipeline.compare(FIRST, LAST))
    assert (done.errors, done.remaining) == ([], []), history
    assert all(each.is_clean for each in life.pipeline.compare(FIRST, LAST))
    life.unfinished.clear()
    life.published = life.stored()
    assert life.clean() == set(DAYS)
    assert life.marts_hold_what_postgres_holds()
    connection.execute("update marts.mart_user_product_habits set total_amount = 1 where product_id > 'P'")
    connection.execute("delete from marts.mart_user_blacklist_status where total_orders > 0")
    compared = life.pipeline.compare(FIRST, LAST)
    assert all(each.is_clean for each in compared)
    assert life.pipeline.differing_marts() == ["mart_user_blacklist_status", "mart_user_product_habits"]
    life.pipeline.repair(FIRST, LAST, compared).require_success()
    assert life.pipeline.differing_marts() == []
    assert life.marts_hold_what_postgres_holds()
