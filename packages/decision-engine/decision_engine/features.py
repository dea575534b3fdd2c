"""Features: values derived from an order that rules may use beside its own fields."""

from order_contract.business_time import business_hour
from order_contract.event import OrderEvent

FEATURES: dict[str, type] = {"hour": int}
"""Every feature's name and type. `hour`: the business hour 0-23 in which the order was placed."""

Features = dict[str, int]

# An order's features are read-only, so orders of one hour share one dict.
_BY_HOUR: tuple[Features, ...] = tuple({"hour": hour} for hour in range(24))


def features_of(event: OrderEvent) -> Features:
    """The features of an order; read-only."""
    return _BY_HOUR[business_hour(event.created_date)]
