"""Models that dbt built: the tables and views of layers bronze, silver and gold, with the version of each."""

from dataclasses import dataclass
from typing import Final

LAYERS: Final = ("bronze", "silver", "gold")

UNRECORDED: Final = frozenset({
    "bronze_orders", "bronze_products", "bronze_rule_hits", "bronze_users", "daily_payment_hour_orders",
    "daily_product_payment_orders", "daily_user_orders", "dim_dates", "dim_payment_methods", "dim_products",
    "dim_users", "fct_orders", "fct_rule_hits", "mart_critical_hour_payments", "mart_most_fraudulent_users",
    "mart_product_payment_methods", "mart_user_blacklist_status", "mart_user_product_habits", "order_versions",
    "payment_methods", "user_product_orders",
})  # fmt: skip
"""Models of the releases that recorded no versions. Other relations without a version were not built by Orderwatch."""


@dataclass(frozen=True, slots=True, order=True)
class BuiltModel:
    """A table or view that dbt built; `version` is None where a release built it that recorded none."""

    layer: str
    name: str
    is_view: bool
    version: str | None
