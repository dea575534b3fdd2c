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


def rule_performance(data: RawData) -> MartRows:
    """Rows of mart_rule_performance; proportions rounded to nine digits."""
    labels: dict[object, str] = {}
    by_age = sorted(data.labels, key=lambda row: (row["source_epoch"], row["source_offset"], row["source_partition"]))
    for row in by_age:
        if row["source_topic"] == "labels":
            labels[row["order_id"]] = "legitimate" if row["label"] == "legitimate" else "fraud"
    versions = {row["order_id"]: row["ruleset_version"] for row in data.orders}
    known = {order.order_id: order for order in orders(data)}
    hit: dict[tuple[Any, ...], list[Order]] = defaultdict(list)
    for order_id, rule, mode in {(row["order_id"], row["rule"], row["mode"]) for row in data.rule_hits}:
        order = known[str(order_id)]
        hit[order.date, rule, versions[order_id], mode].append(order)
    newest = max(day for day, *_ in hit)
    rows: MartRows = set()
    for (day, rule, version, mode), found in hit.items():
        fraud, legitimate = (
            [order for order in found if labels.get(order.order_id) == verdict] for verdict in ("fraud", "legitimate")
        )
        all_fraud = sum(
            order.date == day and versions[order.order_id] == version and labels.get(order.order_id) == "fraud"
            for order in known.values()
        )
        labelled = len(fraud) + len(legitimate)
        rows.add(
            (day, rule, version, mode, day + timedelta(days=30) <= newest, len(found), _rupiah(found), len(fraud),
             _rupiah(fraud), len(legitimate), _rupiah(legitimate), labelled, *_proportion(len(fraud), labelled),
             all_fraud, *_proportion(len(fraud), all_fraud))
        )  # fmt: skip
    return rows


def _rupiah(found: list[Order]) -> int:
    return sum(order.amount for order in found if order.currency == "IDR")


def _proportion(part: int, whole: int) -> tuple[float | None, ...]:
    """The quotient, and the proportions from which it is 1.96 deviations away."""
    if not whole:
        return (None, None, None)
    # (part / whole - p)^2 = z^2 p (1 - p) / whole, solved for p.
    share, spread = part / whole, 1.959963984540054**2 / whole
    middle = (2 * share + spread) / 2
    root = (middle**2 - (1 + spread) * share**2) ** 0.5
    return (round(share, 9), round((middle - root) / (1 + spread), 9), round((middle + root) / (1 + spread), 9))


def _status(frauds: int) -> str:
    if frauds >= 3:
        return "Blacklist"
    return "Watchlist" if frauds else "Good Standing"
