"""A valid order event that no rule flags."""

from typing import Any


def plain_order(order_id: str = "o1", **changes: Any) -> dict[str, Any]:
    """A small genuine order, with `changes`."""
    event = {
        "order_id": order_id,
        "user_id": "u1",
        "product_id": "p1",
        "quantity": 1,
        "amount": 1000,
        "payment_method": "OVO",
        "country": "ID",
        "created_date": "2026-11-22T10:00:00",
    }
    return event | changes
