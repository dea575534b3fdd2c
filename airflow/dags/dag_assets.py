"""Assets that the DAGs write, and their events: one per business date, with what was written."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from airflow.sdk import Asset, AssetAlias

ORDERS = Asset("raw orders", uri="orderwatch://warehouse/raw/orders", group="warehouse")
USERS = Asset("raw users", uri="orderwatch://warehouse/raw/users", group="warehouse")
PRODUCTS = Asset("raw products", uri="orderwatch://warehouse/raw/products", group="warehouse")
MARTS = Asset("marts", uri="orderwatch://postgres/marts", group="marts")

# The alias of ORDERS where a task may or may not have an event for it.
ORDERS_AGAIN = AssetAlias("raw orders, catalog loaded again", group="warehouse")

OutletEvents = Any
"""The `outlet_events` of a task's context."""


def record_event(outlet_events: OutletEvents, asset: Asset, day: date, written: Mapping[str, Any]) -> None:
    """Give the task's event of an asset its partition, also in a run without a partition key, and what was written."""
    event = outlet_events[asset]
    event.add_partitions(day.isoformat())
    event.extra = {"business_date": day.isoformat(), **written}
