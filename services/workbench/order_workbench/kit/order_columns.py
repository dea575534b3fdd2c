"""The columns of tables of orders."""

from collections.abc import Iterable, Mapping
from typing import Final

COLUMNS: Final[Mapping[str, str]] = {
    "created_date": "Placed",
    "order_id": "Order",
    "outcome": "Outcome",
    "risk_score": "Score",
    "amount": "Amount",
    "user_id": "User",
    "payment_method": "Payment",
    "country": "Country",
    "label": "Label",
    "rules": "Rules",
    "reasons": "Reasons",
    "product_id": "Product",
    "quantity": "Quantity",
    "device_id": "Device",
    "ip_address": "Address",
    "voucher_code": "Voucher",
    "email": "E-mail",
    "shipping_country": "Shipped to",
    "account_created_date": "Account since",
    "decided_at": "Decided",
    "stored_at": "Stored",
    "ruleset_version": "Ruleset",
}
"""Names with their titles."""
USUAL: Final = ("created_date", "order_id", "outcome", "risk_score", "amount", "user_id", "payment_method", "country",
                "label", "rules")  # fmt: skip


def columns_of(names: Iterable[str]) -> dict[str, str]:
    """These columns with their titles, in the order of COLUMNS."""
    chosen = set(names)
    return {name: title for name, title in COLUMNS.items() if name in chosen}
