"""Each DAG, run for real: on Postgres, DuckDB and dbt."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from marketplace_simulator import World
from order_batch.catalog import backfill
from order_batch.settings import BatchSettings
from order_contract.business_time import business_date
from tests.webhook import serve_webhook

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

    from tests.conftest import StoreOrders
    from tests.dags.conftest import At, RunDag

DAY = date(2026, 11, 19)
MIDNIGHT = datetime(2026, 11, 19, 17, tzinfo=UTC)
"""When DAY ends in Jakarta."""


@pytest.fixture(autouse=True)
def _young_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filling the catalog from the world's beginning takes half a minute; here gaps go back a few hours only."""

    monkeypatch.setattr(backfill, "BEGINNING", datetime(2026, 11, 18, 17, tzinfo=UTC))


def test_catalog(run_dag: "RunDag", connection: "psycopg.Connection[Any]") -> None:
    hour = datetime(2026, 11, 19, 3, tzinfo=UTC)
    style = f"users_{World().email_style(hour).name.lower()}"
    end = hour + timedelta(hours=1)  # a run comes when its hour is over
    states = run_dag("catalog", hour=end)
    branches = {
        name: state for name, state in states.items() if name.startswith("users_") and name != "users_are_there"
    }
    assert branches == {name: "success" if name == style else "skipped" for name in branches}
    assert len(branches) == 3
    assert states["users_are_there"] == "success"
    before = connection.execute("select count(*), max(valid_from) from users").fetchone()
    assert before is not None
    assert before[0] == 110  # ten an hour from the beginning to the run's hour
    assert run_dag("catalog", hour=end)["users_are_there"] == "success"
    assert connection.execute("select count(*), max(valid_from) from users").fetchone() == before


def test_a_date_from_load_to_marts_and_again_for_late_orders(
    run_dag: "RunDag", at: "At", connection: "psycopg.Connection[Any]", settings: BatchSettings,
    store_orders: "StoreOrders",
) -> None:  # fmt: skip
    store_orders(DAY, 1, 400)
    hold_back(connection, 3)
    run_dag("catalog", hour=MIDNIGHT)
    loads = run_dag("warehouse_load", day=DAY)
    assert loads == dict.fromkeys(["fill_catalog", "load_users", "load_products", "load_orders"], "success")
    states = run_dag("transform", day=DAY)
    assert {state for name, state in states.items()} == {"success"}
    assert {"build", "publish", "results[0]"} <= states.keys()
    assert published(connection) == held(connection)
    assert held(connection)[0] == 397

    connection.execute("insert into orders select * from held_back")
    at(MIDNIGHT)
    assert run_dag("reconcile") == {"compare": "success", "repair": "success"}
    assert published(connection) == held(connection)
    assert held(connection)[0] == 400
    assert run_dag("reconcile") == {"compare": "success", "repair": "skipped"}


def test_reconcile_looks_at_five_weeks_up_to_yesterday(
    bag: "DagBag", at: "At", connection: "psycopg.Connection[Any]", settings: BatchSettings, store_orders: "StoreOrders"
) -> None:
    store_orders(DAY, 1, 4)
    hold_back(connection, 4)
    moments = ["2026-10-15 23:59:59+07", "2026-10-16 00:00+07", "2026-11-19 23:59:59+07", "2026-11-20 00:00+07"]
    for moment in moments:
        connection.execute("update held_back set created_date = %s", [moment])
        connection.execute("insert into orders select * from held_back order by order_id limit 1")
        connection.execute("delete from held_back where order_id in (select order_id from orders)")
    at(MIDNIGHT)
    compare: Any = bag.dags["reconcile"].get_task("compare")
    dirty = [each for each in compare.python_callable() if each.startswith("orders of ")]
    assert dirty == ["orders of 2026-10-16: not loaded", "orders of 2026-11-19: not loaded"]


def test_quality_alerts_once_about_a_yesterday_without_orders(
    run_dag: "RunDag", monkeypatch: pytest.MonkeyPatch, store_orders: "StoreOrders"
) -> None:
    yesterday = business_date(datetime.now(UTC)) - timedelta(days=1)
    store_orders(yesterday - timedelta(days=3), 2, 40)
    with serve_webhook() as webhook:
        monkeypatch.setenv("ORDERWATCH_FAILURE_WEBHOOK", webhook.url)
        for _ in range(2):
            assert set(run_dag("quality").values()) == {"success"}
    assert [message for message in webhook.messages if f"{yesterday}: no orders" in message] == webhook.messages[:1]
    assert len(webhook.messages) == len(set(webhook.messages))


def hold_back(connection: "psycopg.Connection[Any]", count: int) -> None:
    """Take orders in rupiah out of Postgres, into table `held_back`."""
    some = f"select * from orders where currency = 'IDR' order by order_id limit {count}"
    connection.execute(f"create temporary table held_back as {some}")
    connection.execute("delete from orders where order_id in (select order_id from held_back)")


def held(connection: "psycopg.Connection[Any]") -> tuple[int, int]:
    """Number and sum of the orders in rupiah in Postgres."""
    return _numbers(connection, "select count(*), sum(amount) from orders where currency = 'IDR'")


def published(connection: "psycopg.Connection[Any]") -> tuple[int, int]:
    """The same, as a mart has it."""
    return _numbers(connection, "select sum(total_orders), sum(total_purchasing) from marts.mart_user_blacklist_status")


def _numbers(connection: "psycopg.Connection[Any]", query: str) -> tuple[int, int]:
    found = connection.execute(query).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])
