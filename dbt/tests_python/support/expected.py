"""Expected rows of the marts, computed in plain Python from the raw rows."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tests_python.support.raw_data import RawData, Row

MartRows = set[tuple[Any, ...]]


@dataclass
class Tally:
    """Counts and sums of orders."""

    orders: int = 0
    frauds: int = 0
    amount: int = 0
    fraud_amount: int = 0
    latest: datetime = datetime.min  # noqa: DTZ901  (business time, without a zone)

    def add(self, order: "Order") -> None:
        """Count one more."""
        self.orders += 1
        self.frauds += order.fraud
        self.amount += order.amount
        self.fraud_amount += order.amount * order.fraud
        self.latest = max(self.latest, order.local)


@dataclass(frozen=True)
class Order:
    """What marts need of an order."""

    order_id: str
    user: str
    product: str
    payment: str
    amount: int
    currency: str
    fraud: bool
    moment: datetime

    @property
    def local(self) -> datetime:
        """Business time: seven hours ahead of UTC, always."""
        return (self.moment + timedelta(hours=7)).replace(tzinfo=None)

    @property
    def date(self) -> date:
        """Its business date."""
        return self.local.date()


def orders(data: RawData) -> list[Order]:
    """Each order once, as first stored, in clean spelling."""
    first: dict[object, Row] = {}
    for row in sorted(data.orders, key=lambda row: (row["stored_at"], row["source_partition"], row["source_offset"])):
        first.setdefault(row["order_id"], row)
    return [_order(row) for row in first.values()]


def _order(row: Row) -> Order:
    return Order(
        row["order_id"],
        row["user_id"],
        row["product_id"],
        row["payment_method"].strip(),
        row["amount"],
        row["currency"].strip().upper(),
        row["status"] == "fraud",
        row["created_date"],
    )


def marts(data: RawData) -> dict[str, MartRows]:
    """Each mart's rows, columns in the mart's order."""
    rupiah = [order for order in orders(data) if order.currency == "IDR"]
    names = {row["user_id"]: row for row in sorted(data.users, key=lambda row: row["valid_from"])}
    things = {row["product_id"]: row for row in sorted(data.products, key=lambda row: row["valid_from"])}

    def person(user: object) -> tuple[object, ...]:
        row: dict[str, Any] = names.get(user, {})
        if not row:
            return (None, None, None)
        return (row["first_name"], row["last_name"].strip(), row["email"].lower())

    def thing(product: object) -> tuple[object, ...]:
        row = things.get(product, {})
        return (row.get("product_name"), row.get("category"))

    by_user: dict[str, Tally] = defaultdict(Tally)
    by_payment: dict[str, Tally] = defaultdict(Tally)
    by_pair: dict[tuple[str, str], Tally] = defaultdict(Tally)
    by_product: dict[tuple[str, str], Tally] = defaultdict(Tally)
    for order in rupiah:
        by_user[order.user].add(order)
        by_pair[order.user, order.product].add(order)
        by_product[order.product, order.payment].add(order)
        if order.local.hour in {0, 1, 2, 3, 4}:
            by_payment[order.payment].add(order)

    status: MartRows = {
        (user, *person(user), t.orders, t.amount, t.frauds, t.fraud_amount, _status(t.frauds))
        for user, t in by_user.items()
    }
    worst_first = sorted((row for row in status if row[6]), key=lambda row: (-row[6], -row[4], row[0]))
    return {
        "mart_user_blacklist_status": status,
        "mart_most_fraudulent_users": {(rank, *row) for rank, row in enumerate(worst_first, start=1)},
        "mart_critical_hour_payments": {
            (name, t.orders, t.orders - t.frauds, t.frauds, t.frauds / t.orders * 100, t.amount, t.fraud_amount)
            for name, t in by_payment.items()
        },
        "mart_user_product_habits": {
            (user, *person(user), product, *thing(product), t.orders, t.orders - t.frauds, t.frauds, t.amount,
             t.fraud_amount, t.latest)
            for (user, product), t in by_pair.items()
        },
        "mart_product_payment_methods": {
            (product, *thing(product), name, t.orders, t.orders - t.frauds, t.frauds, t.amount, t.fraud_amount)
            for (product, name), t in by_product.items()
        },
    }  # fmt: skip


def _status(frauds: int) -> str:
    if frauds >= 3:
        return "Blacklist"
    return "Watchlist" if frauds else "Good Standing"
