"""The smoke run: its checks, on the fake and with a replacement for dbt; and its message without credentials."""

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from google.cloud.bigquery import Client

from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse
from order_batch.warehouse.tables import ORDERS, PRODUCTS, RULE_HITS, TABLES, USERS
from tests.fake_bigquery.server import FakeBigQuery
from tests.smoke.bigquery_smoke import MARTS, SmokeError, check, remove
from tests.smoke.sample_day import SampleDay, make_day
from tests.staged import NOVEMBER_21

ROOT = Path(__file__).resolve().parents[3]
DAY = make_day(NOVEMBER_21, 60)
Build = Callable[[date], None]


@pytest.fixture
def build(fake: FakeBigQuery) -> Build:
    """Creates the marts that are compared, one row per order: grouping does not change their sums."""

    def build(day: date) -> None:
        assert day == NOVEMBER_21
        orders = fake.storage.table("orderwatch_raw", "orders").rows
        frauds = [order["status"] == "fraud" for order in orders]
        for mart, names in MARTS.items():
            reference = {"projectId": fake.project, "datasetId": "orderwatch_gold", "tableId": mart}
            fields = [{"name": name, "type": "INT64"} for name in names]
            fake.storage.insert_table("orderwatch_gold", {"tableReference": reference, "schema": {"fields": fields}})
            fake.storage.table("orderwatch_gold", mart).rows = [
                dict(zip(names, (1, order["amount"], int(fraud), order["amount"] * fraud), strict=True))
                for order, fraud in zip(orders, frauds, strict=True)
            ]

    return build


def test_what_works_passes(warehouse: BigQueryWarehouse, build: Build) -> None:
    said: list[str] = []
    check(warehouse, build, DAY, said.append)
    assert said[0].startswith("loaded once: ")
    assert said[-len(MARTS) :] == [f"{mart} adds up to the orders" for mart in MARTS]


def test_marts_that_do_not_add_up_fail(fake: FakeBigQuery, warehouse: BigQueryWarehouse, build: Build) -> None:
    def build_less(day: date) -> None:
        build(day)
        del fake.storage.table("orderwatch_gold", "mart_product_payment_methods").rows[0]

    with pytest.raises(SmokeError, match=r"mart_product_payment_methods: .* sum to \[59, .*the orders to \[60, "):
        check(warehouse, build_less, DAY, lambda _: None)


def test_datasets_are_removed_whatever_is_in_them(
    fake: FakeBigQuery, client: Client, warehouse: BigQueryWarehouse
) -> None:
    for _ in range(2):
        remove(client, "orderwatch_")
        assert fake.storage.datasets == {}
        assert fake.storage.tables == {}


def test_a_sample_day_holds_together() -> None:
    rows = DAY.rows
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
