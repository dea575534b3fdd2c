"""The marts and facts that DuckDB builds, against what plain Python counts."""

from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests_python.support import expected
from tests_python.support.project import Project
from tests_python.support.raw_data import FOREIGN_USER, UNKNOWN_PRODUCT, UNKNOWN_USER, RawData

MARTS = (
    "mart_user_blacklist_status",
    "mart_most_fraudulent_users",
    "mart_critical_hour_payments",
    "mart_user_product_habits",
    "mart_product_payment_methods",
)


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_is_right_to_the_rupiah(mart: str, built: Project, raw_data: RawData) -> None:
    rows = built.rows(f"gold.{mart}")
    assert len(rows) == len(set(rows))
    assert set(rows) == expected.marts(raw_data)[mart]


def test_the_performance_of_rules_is_that_of_their_labels(built: Project, raw_data: RawData) -> None:
    rows = built.rows("gold.mart_rule_performance")
    found = {tuple(round(value, 9) if isinstance(value, float) else value for value in row) for row in rows}
    assert len(rows) == len(found)
    assert found == expected.rule_performance(raw_data)
    assert {row[3] for row in rows} == {"live", "shadow"}
    assert any(row[7] for row in rows)
    assert any(row[9] for row in rows)


def test_the_data_have_what_the_marts_tell_apart(built: Project) -> None:
    with built.connect() as connection:
        count = connection.execute(
            "select status, count(*) from gold.mart_user_blacklist_status group by all"
        ).fetchall()
        assert {status for status, _ in count} == {"Blacklist", "Watchlist", "Good Standing"}
        users = connection.execute("select user_id, first_name from gold.mart_user_blacklist_status").fetchall()
        products = connection.execute(
            "select product_id, product_name from gold.mart_product_payment_methods"
        ).fetchall()
    assert (UNKNOWN_USER, None) in users
    assert (UNKNOWN_PRODUCT, None) in products
    assert FOREIGN_USER not in {user for user, _ in users}


def test_facts_are_the_orders_as_first_stored_in_all_currencies(built: Project, raw_data: RawData) -> None:
    with built.connect() as connection:
        facts = connection.execute(
            "select order_id, user_id, product_id, payment_method, amount, currency, is_fraud, created_date,"
            " business_date, business_hour, created_local from silver.fct_orders"
        ).fetchall()
    orders = expected.orders(raw_data)
    assert len(facts) == len(orders)
    assert set(facts) == {
        (order.order_id, order.user, order.product, order.payment, order.amount, order.currency, order.fraud,
         order.moment, order.date, order.local.hour, order.local)
        for order in orders
    }  # fmt: skip
    assert {order.currency for order in orders} == {"IDR", "USD", "SGD"}


def test_rule_hits_are_there_once(built: Project, raw_data: RawData) -> None:
    with built.connect() as connection:
        hits = connection.execute("select order_id, rule, score, is_live, reason from silver.fct_rule_hits").fetchall()
    assert len(hits) == len(set(hits))
    assert set(hits) == {
        (row["order_id"], row["rule"], row["score"], row["mode"] == "live", str(row["reason"]).strip())
        for row in raw_data.rule_hits
    }


def test_an_order_meets_the_price_of_its_moment(built: Project, raw_data: RawData) -> None:
    prices = sorted((row["product_id"], row["valid_from"], row["price"]) for row in raw_data.products)
    with built.connect() as connection:
        found = dict(connection.execute("select order_id, list_price from silver.int_order_versions").fetchall())
        current = connection.execute(
            "select count(*), count(*) filter (is_current) from silver.dim_products"
        ).fetchall()
    seen_prices = set()
    for order in expected.orders(raw_data):
        held = [price for product, since, price in prices if product == order.product and since <= order.moment]
        assert found.pop(order.order_id) == (held[-1] if held else None)
        seen_prices.add((order.product, held[-1] if held else None))
    assert not found
    assert len(seen_prices) > len({product for product, _ in seen_prices}), "no product changed its price among orders"
    assert current == [(len({(p, since) for p, since, _ in prices}), len({p for p, *_ in prices}))]


def test_a_payment_method_that_settings_added_is_of_other_kind(built: Project) -> None:
    kinds = dict(built.rows("silver.dim_payment_methods"))
    assert kinds["Klarna"] == "Other"
    assert kinds["OVO"] == "E-wallet"
    assert len(kinds) == 17


def test_the_calendar_knows_its_weeks(built: Project) -> None:
    for day, week_start, month_start, year, quarter, month, of_month, of_week, name, is_weekend in built.rows(
        "silver.dim_dates"
    ):
        assert (year, month, of_month, of_week) == (day.year, day.month, day.day, day.isoweekday())
        assert (quarter, name, is_weekend) == ((month + 2) // 3, f"{day:%A}", of_week > 5)
        assert week_start.isoweekday() == 1
        assert 0 <= (day - week_start).days < 7
        assert month_start == day.replace(day=1)


def test_the_critical_hours_and_the_currency_can_be_changed(built: Project, parsed: Manifest, tmp_path: Path) -> None:
    project = built.copy(tmp_path, parsed)
    project.run("build", "--select", "gold", last_critical_hour=6, mart_currency="SGD")
    with project.connect() as connection:
        found = connection.execute("select sum(total_orders) from gold.mart_critical_hour_payments").fetchall()
        expected_count = connection.execute(
            "select count(*) from silver.fct_orders where currency = 'SGD' and business_hour < 7"
        ).fetchall()
    assert found == expected_count


def test_measures_of_the_semantic_layer_are_those_of_the_orders(built: Project, raw_data: RawData) -> None:
    (orders,) = built.manifest()["semantic_models"].values()
    names = [each["expr"] or each["name"] for each in (*orders["entities"], *orders["dimensions"])]
    measures = {measure["name"]: f"{measure['agg']}({measure['expr']})" for measure in orders["measures"]}
    with built.connect() as connection:
        assert connection.execute(f"select {', '.join(names)} from silver.fct_orders").fetchone()
        (found,) = connection.execute(
            f"select {', '.join(measures.values())} from silver.fct_orders where currency = 'IDR'"
        ).fetchall()
    rupiah = [order for order in expected.orders(raw_data) if order.currency == "IDR"]
    assert dict(zip(measures, found, strict=True)) == {
        "order_count": len(rupiah),
        "fraud_order_count": sum(order.fraud for order in rupiah),
        "order_amount": sum(order.amount for order in rupiah),
        "fraud_order_amount": sum(order.amount for order in rupiah if order.fraud),
    }
