"""Expected rows of the five marts, computed in plain Python from the messages on topic orders.

Deliberately independent of the product: no code of the decoder, the rules or the warehouse is used here, only what
docs/order-event.md, docs/rules.md and docs/warehouse.md promise.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

JAKARTA = ZoneInfo("Asia/Jakarta")
LONG_AGO = datetime.min.replace(tzinfo=JAKARTA)
PAYMENT_METHODS = {
    name.lower(): name
    for name in (
        "Akulaku", "Alfamart", "Bank Transfer", "Cash on Delivery", "Credit Card", "DANA", "Debit Card", "GoPay",
        "Indomaret", "Kredivo", "LinkAja", "OVO", "PayLater", "QRIS", "ShopeePay", "Virtual Account",
    )
}  # fmt: skip

Key = TypeVar("Key", str, tuple[str, str])
Row = dict[str, Any]
Names = Mapping[str, Row]
"""What the catalog knows of each user or product, by id: columns of the marts."""


@dataclass(frozen=True)
class Order:
    """An order as it was placed. `amount` in whole rupiah when the currency is IDR, `placed` in Jakarta."""

    order_id: str
    user_id: str
    product_id: str
    payment_method: str
    country: str
    currency: str
    quantity: int
    amount: int
    placed: datetime

    @property
    def is_critical(self) -> bool:
        """Whether it was placed from midnight until before five in the morning."""
        return self.placed.hour < 5

    @property
    def is_fraud(self) -> bool:
        """Whether one of the four rules A to D fires."""
        return (
            (self.is_critical and (self.amount >= 100_000_000 or self.quantity > 100))
            or self.country != "ID"
            or self.amount >= 300_000_000
            or self.quantity > 300
            or (self.payment_method in {"DANA", "OVO", "GoPay", "PayLater"} and self.amount > 50_000_000)
        )


@dataclass
class Tally:
    """Counts and sums of orders."""

    orders: int = 0
    frauds: int = 0
    amount: int = 0
    fraud_amount: int = 0
    latest: datetime = LONG_AGO

    def add(self, order: Order) -> None:
        """Count one more."""
        self.orders += 1
        self.amount += order.amount
        self.latest = max(self.latest, order.placed)
        if order.is_fraud:
            self.frauds += 1
            self.fraud_amount += order.amount

    def facts(self) -> Row:
        """The columns that three of the marts share."""
        return {
            "total_orders": self.orders,
            "genuine_orders": self.orders - self.frauds,
            "fraud_orders": self.frauds,
            "total_amount": self.amount,
            "fraud_amount": self.fraud_amount,
        }


def expected_marts(values: Iterable[bytes], users: Names, products: Names) -> dict[str, list[Row]]:
    """Each mart's rows, in the mart's order, from messages in the order in which they were consumed.

    Raises KeyError for an order whose user or product the catalog does not know.
    """
    rupiah = [order for order in _first_of_each(values) if order.currency == "IDR"]
    by_user = _tallies(rupiah, lambda order: order.user_id)
    by_pair = _tallies(rupiah, lambda order: (order.user_id, order.product_id))
    by_product = _tallies(rupiah, lambda order: (order.product_id, order.payment_method))
    critical = _tallies((order for order in rupiah if order.is_critical), lambda order: order.payment_method)

    status = [
        {
            "user_id": user, **users[user], "total_orders": tally.orders, "total_purchasing": tally.amount,
            "fraud_orders_count": tally.frauds, "total_fraud_loss": tally.fraud_amount, "status": _status(tally.frauds),
        }
        for user, tally in by_user.items()
    ]  # fmt: skip
    fraudulent = [row for row in status if row["fraud_orders_count"] > 0]
    worst = _most_first(fraudulent, "fraud_orders_count", "total_orders")
    methods = [
        {"payment_method": method, **tally.facts(), "fraud_percentage": 100 * (tally.frauds / tally.orders)}
        for method, tally in critical.items()
    ]
    habits = [
        {
            "user_id": user, **users[user], "product_id": product, **products[product], **tally.facts(),
            "latest_order": tally.latest.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z",
        }
        for (user, product), tally in by_pair.items()
    ]  # fmt: skip
    payments = [
        {"product_id": product, **products[product], "payment_method": method, **tally.facts()}
        for (product, method), tally in by_product.items()
    ]
    return {
        "mart_user_blacklist_status": _most_first(status, "fraud_orders_count", "total_fraud_loss"),
        "mart_most_fraudulent_users": [{"fraud_rank": rank, **row} for rank, row in enumerate(worst, start=1)],
        "mart_critical_hour_payments": _most_first(methods, "fraud_orders", "total_orders"),
        "mart_user_product_habits": _most_first(habits, "total_orders", "total_amount"),
        "mart_product_payment_methods": _most_first(payments, "total_orders", "total_amount"),
    }


def read_order(value: bytes) -> Order | None:
    """The order of a message; None if the message is not a valid order."""
    try:
        fields = json.loads(value)
        placed = datetime.fromisoformat(fields["created_date"])
        return Order(
            order_id=fields["order_id"],
            user_id=fields["user_id"],
            product_id=fields["product_id"],
            payment_method=PAYMENT_METHODS[fields["payment_method"].lower()],
            country=fields["country"].upper(),
            currency=(fields.get("currency") or "IDR").upper(),
            quantity=fields["quantity"],
            amount=_amount(fields["amount"]),
            # Without an offset it is business time already.
            placed=placed.astimezone(JAKARTA) if placed.tzinfo else placed.replace(tzinfo=JAKARTA),
        )
    except (KeyError, ValueError):
        return None


def _amount(written: int | str) -> int:
    """Either an integer, or text like Rp.125,000,000."""
    if isinstance(written, int):
        return written
    if not re.fullmatch(r"Rp\.\d{1,3}(,\d{3})*", written):
        raise ValueError(written)
    return int(written[3:].replace(",", ""))


def _first_of_each(values: Iterable[bytes]) -> list[Order]:
    """Each order once: the first with its id."""
    first: dict[str, Order] = {}
    for order in map(read_order, values):
        if order is not None:
            first.setdefault(order.order_id, order)
    return list(first.values())


def _tallies(orders: Iterable[Order], key: Callable[[Order], Key]) -> dict[Key, Tally]:
    found: dict[Key, Tally] = defaultdict(Tally)
    for order in orders:
        found[key(order)].add(order)
    return dict(sorted(found.items()))


def _most_first(rows: Iterable[Row], *columns: str) -> list[Row]:
    """Sorted by these numbers; equals stay as they are, which is by key."""
    return sorted(rows, key=lambda row: tuple(row[column] for column in columns), reverse=True)


def _status(frauds: int) -> str:
    if frauds >= 3:
        return "Blacklist"
    return "Watchlist" if frauds else "Good Standing"
