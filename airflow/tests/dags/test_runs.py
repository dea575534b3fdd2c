"""Each DAG, run for real: on Postgres, DuckDB and dbt."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from order_batch.catalog import hours
from order_batch.settings import BatchSettings

if TYPE_CHECKING:
    from tests.conftest import StoreOrders
    from tests.dags.conftest import RunDag

DAY = date(2026, 11, 19)


@pytest.fixture(autouse=True)
def _young_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filling the catalog from the world's beginning takes half a minute; here gaps go back a few hours only."""
    from order_batch.catalog import fill  # noqa: PLC0415

    monkeypatch.setattr(fill, "BEGINNING", datetime(2026, 11, 18, 17, tzinfo=UTC))


def test_catalog(run_dag: "RunDag", connection: "psycopg.Connection[Any]") -> None:
    hour = datetime(2026, 11, 19, 3, tzinfo=UTC)
    style = f"users_{hours.email_style(hour).name.lower()}"
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


def test_a_date_from_load_to_marts(
    run_dag: "RunDag", connection: "psycopg.Connection[Any]", settings: BatchSettings, store_orders: "StoreOrders"
) -> None:
    store_orders(DAY, 1, 400)
    run_dag("catalog", hour=datetime(2026, 11, 19, 17, tzinfo=UTC))
    loads = run_dag("warehouse_load", day=DAY)
    assert loads == {"load_orders": "success", "load_users": "success", "load_products": "success"}
    states = run_dag("transform", day=DAY)
    assert {state for name, state in states.items()} == {"success"}
    assert {"build", "publish", "results[0]"} <= states.keys()
    orders = connection.execute("select sum(total_orders) from marts.mart_user_blacklist_status").fetchone()
    assert orders == (400,)
    # A late order makes the date dirty; reconcile mends it and publishes.
    connection.execute("update orders set amount = amount + 1, stored_at = now() where currency = 'IDR'")
    states = run_dag("reconcile")
    assert states["find_dirty_dates"] == "success"
