"""The data tests themselves: what is wrong with a warehouse is found, by the test that is named for it."""

from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests_python.support.project import DbtFailed, Project

FAULTS = {
    "fct_orders_add_up_to_bronze_orders": "delete from silver.fct_orders where business_hour = 3",
    "in_one_date_only_fct_orders_order_id": (
        "insert into silver.fct_orders by name"
        " select * replace (business_date + 1 as business_date) from silver.fct_orders limit 1"
    ),
    "fct_orders_dates_are_business_dates": "update silver.fct_orders set created_date = created_date + interval 1 day",
    "fct_orders_fraud_is_what_was_not_approved": "update silver.fct_orders set is_fraud = true",
    "relationships_fct_orders_payment_method": "delete from silver.dim_payment_methods where payment_method = 'OVO'",
    "dim_users_versions_are_mutually_exclusive": (
        "update silver.dim_users set valid_to = valid_from where not is_current"
    ),
    "dim_users_one_version_is_current": (
        "insert into silver.dim_users select * from silver.dim_users where is_current order by user_id desc limit 1"
    ),
    "dim_products_one_version_is_current": (
        "insert into silver.dim_products"
        " select * from silver.dim_products where is_current order by product_id desc limit 1"
    ),
    "dim_products_versions_are_mutually_exclusive": "delete from silver.dim_products where version = 2",
    "dim_products_current_versions_have_no_end": "update silver.dim_products set is_current = true where version = 1",
    "share_of_unknown_fct_orders_user_id": "delete from silver.dim_users where user_id < 'U000040'",
    "fct_rule_hits_belong_to_fct_orders": "update silver.fct_rule_hits set order_id = 'x' || order_id where score = 7",
    "fct_rule_hits_key_is_unique": "insert into silver.fct_rule_hits select * from silver.fct_rule_hits limit 1",
    "agg_daily_user_orders_add_up_to_fct_orders": (
        "update silver.agg_daily_user_orders set total_amount = total_amount + 1"
    ),
    "agg_daily_user_product_orders_key_is_unique": (
        "insert into silver.agg_daily_user_product_orders "
        "select * from silver.agg_daily_user_product_orders where product_id <> 'P0003' limit 1"
    ),
    "agg_daily_user_product_orders_add_up_to_fct_orders": (
        "delete from silver.agg_daily_user_product_orders where product_id = 'P0003'"
    ),
    "agg_monthly_user_orders_add_up_to_agg_daily_payment_hour_orders": (
        "delete from silver.agg_monthly_user_orders where month_start = date '2026-10-01'"
    ),
    "mart_critical_hour_payments_add_up_to_agg_daily_payment_hour_orders": (
        "update gold.mart_critical_hour_payments set total_amount = 0"
    ),
    "mart_critical_hour_payments_percentages_are_shares": (
        "update gold.mart_critical_hour_payments set fraud_percentage = fraud_percentage / 100"
    ),
}


def test_each_fault_is_found_by_name(built: Project, parsed: Manifest, tmp_path: Path) -> None:
    project = built.copy(tmp_path, parsed)
    with project.connect() as connection:
        for fault in FAULTS.values():
            connection.execute(fault)
    with pytest.raises(DbtFailed) as failed:
        project.run("test", "--exclude", "test_type:unit")
    said = str(failed.value)
    missed = [name for name in FAULTS if f"in test {name}" not in said]
    assert not missed
