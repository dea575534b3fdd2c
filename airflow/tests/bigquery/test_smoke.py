"""The smoke run: its checks, on the fake and with a replacement for dbt; and its message without credentials."""

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from google.cloud.bigquery import Client

from order_batch.transform.results import Build, NodeResult
from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.tables import ORDERS, PRODUCTS, RULE_HITS, TABLES, USERS
from tests.fake_bigquery.server import FakeBigQuery
from tests.smoke.bigquery_smoke import BY_DATE, MARTS, Builds, SmokeError, check, remove
from tests.smoke.sample_day import SampleDay, combine, make_day
from tests.staged import NOVEMBER_20, NOVEMBER_21

ROOT = Path(__file__).resolve().parents[3]
DAYS = [make_day(NOVEMBER_20, 60), make_day(NOVEMBER_21, 60)]
BYTES_A_DAY = 1_000


@dataclass
class FakeDbt:
    """Creates the marts that are compared, one row per order: grouping does not change their sums."""

    fake: FakeBigQuery
    prunes: bool = True
    reports: bool = True
    skipped: int = 0
    dates: list[tuple[date, date]] = field(default_factory=list)
    built: set[date] = field(default_factory=set)

    @property
    def builds(self) -> Builds:
        return Builds(self.build, lambda: Build([self._result("unit_test", "mart_users", None)]))

    def build(self, first: date, last: date) -> Build:
        self.dates.append((first, last))
        self.built |= {first, last}
        stored = self.fake.storage.table("orderwatch_raw", "orders").rows
        orders = [order for order in stored if order["business_date"] in self.built][self.skipped :]
        for mart, names in MARTS.items():
            reference = {"projectId": self.fake.project, "datasetId": "orderwatch_gold", "tableId": mart}
            fields = [{"name": name, "type": "INT64"} for name in names]
            if ("orderwatch_gold", mart) not in self.fake.storage.tables:
                body = {"tableReference": reference, "schema": {"fields": fields}}
                self.fake.storage.insert_table("orderwatch_gold", body)
            self.fake.storage.table("orderwatch_gold", mart).rows = [
                dict(zip(names, (1, order["amount"], int(fraud), order["amount"] * fraud), strict=True))
                for order, fraud in ((order, order["status"] == "fraud") for order in orders)
            ]
        days = len({first, last}) if self.prunes else 2
        return Build([self._result("model", name, BYTES_A_DAY * days if self.reports else None) for name in BY_DATE])

    @staticmethod
    def _result(kind: str, name: str, read: int | None) -> NodeResult:
        return NodeResult(name, kind, "silver", "success", 0.1, "", bytes_processed=read)


def test_what_works_passes(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    said: list[str] = []
    dbt = FakeDbt(fake)
    check(warehouse, dbt.builds, DAYS, said.append)
    assert said[0].startswith("loaded once: ")
    assert said.count("mart_user_product_habits adds up to the orders") == 4
    assert said[-len(BY_DATE) :] == [f"{name} reads the partition that it builds, and no other" for name in BY_DATE]
    assert dbt.dates == [
        (NOVEMBER_20, NOVEMBER_20), (NOVEMBER_21, NOVEMBER_21), (NOVEMBER_20, NOVEMBER_21), (NOVEMBER_21, NOVEMBER_21),
    ]  # fmt: skip


def test_marts_that_do_not_add_up_fail(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    with pytest.raises(SmokeError, match=r"mart_user_blacklist_status: .* sum to \[59, .*the orders to \[60, "):
        check(warehouse, FakeDbt(fake, skipped=1).builds, DAYS, lambda _: None)


def test_reading_more_than_the_partition_fails(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    with pytest.raises(SmokeError, match=r"fct_orders read 2,000 bytes to build one day and 2,000 to build both"):
        check(warehouse, FakeDbt(fake, prunes=False).builds, DAYS, lambda _: None)


def test_bytes_that_are_not_reported_fail(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    with pytest.raises(SmokeError, match=r"fct_orders: dbt does not report the bytes"):
        check(warehouse, FakeDbt(fake, reports=False).builds, DAYS, lambda _: None)


def test_no_unit_tests_fail(fake: FakeBigQuery, warehouse: BigQueryWarehouse) -> None:
    with pytest.raises(SmokeError, match="dbt ran no unit test"):
        check(warehouse, Builds(FakeDbt(fake).build, lambda: Build([])), DAYS, lambda _: None)


def test_days_together_hold_each_version_once() -> None:
    both = combine(DAYS)
    assert len(both.rows[ORDERS.name]) == 120
    for table, key in ((USERS, "user_id"), (PRODUCTS, "product_id")):
        rows = both.rows[table.name]
        assert len({(row[key], row["valid_from"]) for row in rows}) == len(rows)
        assert len(rows) < sum(len(day.rows[table.name]) for day in DAYS)


def test_datasets_are_removed_whatever_is_in_them(
    fake: FakeBigQuery, client: Client, warehouse: BigQueryWarehouse
) -> None:
    for _ in range(2):
        remove(client, "orderwatch_")
        assert fake.storage.datasets == {}
        assert fake.storage.tables == {}


def test_a_sample_day_holds_together() -> None:
    rows = DAYS[1].rows
    users = {row["user_id"] for row in rows[USERS.name]}
    products = {row["product_id"] for row in rows[PRODUCTS.name]}
    assert len(rows[ORDERS.name]) == 60
    assert all(row["user_id"] in users and row["product_id"] in products for row in rows[ORDERS.name])
    assert {row["business_date"] for row in rows[ORDERS.name]} == {NOVEMBER_21}
    assert 0 < len(rows[RULE_HITS.name]) < 30
    assert all(row.keys() == {column.name for column in table.columns} for table in TABLES for row in rows[table.name])


@pytest.mark.parametrize("day", [date(2026, 11, 1), date(2026, 12, 31), date(2028, 2, 29)], ids=str)
def test_a_sample_day_can_be_any_day(day: date, tmp_path: Path) -> None:
    staged = list(SampleDay(day, make_day(day, 3).rows).stage(tmp_path))
    assert {each.table.name for each in staged} >= {"orders", "users", "products"}
    assert sum(each.totals.rows for each in staged if each.table is ORDERS) == 3


def test_without_credentials_it_says_what_to_do(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.smoke.bigquery_smoke", "--project", "no-project", "--orders", "1"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NO_GCE_CHECK": "true"},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT / "airflow",
    )
    assert run.returncode == 1
    assert "set GOOGLE_APPLICATION_CREDENTIALS" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("arguments", [[], ["PROJECT="]], ids=str)
def test_make_asks_for_the_project(arguments: list[str]) -> None:
    run = subprocess.run(["make", "bigquery-smoke", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "make bigquery-smoke PROJECT=my-project" in run.stdout
