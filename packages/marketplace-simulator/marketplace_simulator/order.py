"""An order as it is placed, and its form on the topic."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from order_contract.money import format_rupiah


@dataclass(frozen=True, slots=True)
class Order:
    """The fields of an order event; `amount` in whole rupiah, times in business time."""

    order_id: str
    user_id: str
    product_id: str
    quantity: int
    amount: int
    payment_method: str
    country: str
    created_date: datetime
    device_id: str
    ip_address: str
    email: str
    account_created_date: datetime
    voucher_code: str | None = None
    shipping_country: str | None = None


def order_value(order: Order, *, amounts_as_text: bool = False) -> bytes:
    """The order as a message's value: JSON, what is None left out.

    `amounts_as_text` writes `Rp.125,000,000` as the seed did, instead of an integer.
    """
    event: dict[str, Any] = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "product_id": order.product_id,
        "quantity": order.quantity,
        "amount": format_rupiah(order.amount) if amounts_as_text else order.amount,
        "payment_method": order.payment_method,
        "country": order.country,
        "created_date": order.created_date.isoformat(timespec="milliseconds"),
        "device_id": order.device_id,
        "ip_address": order.ip_address,
        "email": order.email,
        "account_created_date": order.account_created_date.isoformat(timespec="seconds"),
    }
    if order.voucher_code is not None:
        event["voucher_code"] = order.voucher_code
    if order.shipping_country is not None:
        event["shipping_country"] = order.shipping_country
    return orjson.dumps(event)
