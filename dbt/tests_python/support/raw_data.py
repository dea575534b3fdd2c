"""A few days of a small marketplace, made up from a seed, with all that is awkward: what the raw tables would hold."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from random import Random
from typing import Any

JAKARTA = timezone(timedelta(hours=7))
FIRST_DATE, LAST_DATE = date(2026, 10, 28), date(2026, 11, 2)
DATES = [FIRST_DATE + timedelta(days=days) for days in range((LAST_DATE - FIRST_DATE).days + 1)]
UNKNOWN_USER, UNKNOWN_PRODUCT, FOREIGN_USER = "U900001", "P900001", "U900002"

_METHODS = ["GoPay", "OVO", "DANA", "QRIS", "Bank Transfer", "Credit Card", "PayLater", "Klarna"]
_HOURS_OF_DAY = [
    time(0),
    time(4, 59, 59, 999_999),
    time(5),
    time(6, 59, 59, 999_999),
    time(7),
    time(23, 59, 59, 999_999),
]
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = (11, 12)
"""Numbers of a date's orders with the largest quantity that the contract admits: their sum exceeds 64 bits."""

Row = dict[str, Any]


@dataclass
class RawData:
    """Rows of each raw table by column name."""

    orders: list[Row] = field(default_factory=list)
    rule_hits: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)

    def tables(self) -> dict[str, list[Row]]:
        """Rows by table name."""
        return {
            "orders": self.orders, "rule_hits": self.rule_hits, "users": self.users, "products": self.products,
            "labels": self.labels,
        }  # fmt: skip

    def of_dates(self, *dates: date) -> "RawData":
        """With the orders and labels of these dates only; the catalog stays whole."""
        return RawData(
            [row for row in self.orders if row["business_date"] in dates],
            [row for row in self.rule_hits if row["business_date"] in dates],
            self.users,
            self.products,
            [row for row in self.labels if row["business_date"] in dates],
        )


def make_raw_data(seed: int = 0, orders_a_day: int = 150) -> RawData:
    """All dates, with duplicates as a load that ran twice would leave them."""
    random = Random(seed)
    data = RawData()
    users = [f"U{number:06d}" for number in range(1, 61)]
    products = [f"P{number:04d}" for number in range(1, 41)]
    for user in users:
        _add_user(data, random, user)
    for product in products:
        _add_product(data, random, product)
    # A few order a lot, most a little, and one nothing.
    customers = [*users[:-1], *users[:5] * 8, UNKNOWN_USER]
    for day in DATES:
        for number in range(orders_a_day):
            moment = _moment(random, day, number)
            user = FOREIGN_USER if number == 3 else random.choice(customers)
            product = UNKNOWN_PRODUCT if number % 97 == 0 else random.choice(products[:-1])
            currency = random.choice(["USD", "SGD"]) if user == FOREIGN_USER or number % 23 == 0 else "IDR"
            order: Row = {"order_id": f"{day:%m%d}-{number:05d}", "user_id": user, "product_id": product}
            if number in _LARGEST:
                order["quantity"] = 2**63 - 1
            _add_order(data, random, {**order, "currency": currency, "created_date": moment})
    _add_duplicates(data, random)
    random.shuffle(data.orders)
    _add_labels(data, Random(seed))
    return data


def _moment(random: Random, day: date, number: int) -> datetime:
    """A moment of a business date; the first few are those at which hours and dates change somewhere."""
    if number < len(_HOURS_OF_DAY):
        at = _HOURS_OF_DAY[number]
        return datetime.combine(day, at, JAKARTA).astimezone(UTC)
    return datetime.combine(day, time(), JAKARTA).astimezone(UTC) + random.randrange(86_400_000_000) * _MICROSECOND


def _add_order(data: RawData, random: Random, known: Row) -> None:
    user, moment, currency = known["user_id"], known["created_date"], known["currency"]
    # Users differ in how often they cheat: some never, so that every status comes about.
    fraud = random.random() < (int(user[-2:]) % 7) * (0.08 if int(user[-2:]) < 20 else 0.01)
    day = moment.astimezone(JAKARTA).date()
    data.orders.append(
        {
            "quantity": random.randint(1, 500),
            **known,
            "business_date": day,
            "amount": 10**15 if random.random() < 0.002 else random.randint(0, 500_000_000),
            # As some other writer might have left them: cleaning is bronze's work.
            "currency": currency if random.random() < 0.95 else f" {currency.lower()}",
            "payment_method": random.choice(_METHODS) + " " * (random.random() < 0.05),
            "country": "ID" if random.random() < 0.7 else "sg",
            "device_id": random.choice([None, "", "device-1", "device-2"]),
            "ip_address": random.choice([None, "10.0.0.1"]),
            "voucher_code": random.choice([None, "HEMAT"]),
            "shipping_country": random.choice([None, "id"]),
            "account_created_date": random.choice([None, moment - timedelta(days=30)]),
            "attributes": json.dumps({"campaign": "11.11"}) if random.random() < 0.1 else None,
            "status": "fraud" if fraud else "genuine",
            "outcome": random.choice(["review", "decline"]) if fraud else "approve",
            "risk_score": random.randint(50, 100) if fraud else random.randint(0, 49),
            "ruleset_version": "a1b2c3",
            "decided_at": moment + timedelta(seconds=2),
            "source_partition": random.randrange(4),
            "source_offset": len(data.orders),
            "appended_at": moment + timedelta(seconds=1),
            "stored_at": moment + timedelta(seconds=3),
            # Null in what an earlier release loaded.
            "source_topic": random.choice([None, "orders"]),
            "source_epoch": random.choice([None, 1, 2]),
            "features": json.dumps({"hour": moment.hour}) if len(data.orders) % 2 else None,
            "seen": random.choice([None, "0012ac02"]),
            "lists_seen": random.choice([None, 0, 7]),
        }
    )
    if fraud:
        _add_hits(data, random, known["order_id"], day)


def _add_hits(data: RawData, random: Random, order_id: str, day: date) -> None:
    rules = random.sample(["critical-hour", "foreign-country", "large-order", "wallet-limit"], random.randint(1, 3))
    for number, rule in enumerate(rules, 1):
        shadow = rule == "wallet-limit" and random.random() < 0.5
        data.rule_hits.append(
            {
                "business_date": day,
                "order_id": order_id,
                "rule": rule,
                "severity": random.choice(["low", "medium", "high", "critical"]),
                "score": random.randint(0, 100),
                "mode": "shadow" if shadow else "live",
                "reason": f"Rule {rule} fired: it's what “{order_id}” says. ",
                "hit_number": random.choice([None, number]),
            }
        )


def _add_labels(data: RawData, random: Random) -> None:
    """Labels of some orders, flagged and not: taken back by later ones, of unknown orders, and of another topic."""
    flagged = sorted({row["order_id"] for row in data.rule_hits})
    others = sorted({row["order_id"] for row in data.orders if row["status"] == "genuine"})
    order_ids = [*random.sample(flagged, len(flagged) // 2), *random.sample(others, 40), "unknown"]
    order_ids += random.sample(order_ids, len(order_ids) // 3)
    for offset, order_id in enumerate(order_ids):
        appended = _midday(random)
        data.labels.append(
            {
                "business_date": appended.astimezone(JAKARTA).date(),
                "order_id": order_id,
                "label": random.choice(["fraud", "legitimate", "chargeback"]),
                "source": "analyst",
                "reason": random.choice([None, "stolen-card", "known-customer"]),
                "labelled_at": appended - timedelta(minutes=1),
                "appended_at": appended,
                "source_topic": "labels" if offset % 19 else "labels-of-a-test",
                "source_epoch": 2 if offset % 7 == 0 else 1,
                "source_partition": offset % 4,
                "source_offset": offset // 4,
            }
        )
    data.labels.extend(dict(row) for row in random.sample(data.labels, 5))


def _add_duplicates(data: RawData, random: Random) -> None:
    """Some rows twice; of some orders, later rows that say something else and must not win."""
    for row in random.sample(data.orders, 60):
        data.orders.append(dict(row))
    for row in random.sample(data.orders[:-60], 40):
        later = row["stored_at"] + _MICROSECOND
        data.orders.append({**row, "amount": 1, "status": "genuine", "outcome": "approve", "stored_at": later})
    data.rule_hits.extend(dict(row) for row in random.sample(data.rule_hits, 20))


def _add_user(data: RawData, random: Random, user: str) -> None:
    registered = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=random.randrange(300_000))
    moments = [registered] + ([_midday(random)] if random.random() < 0.3 else [])
    for version, moment in enumerate(moments):
        data.users.append(
            {
                "changed_date": moment.astimezone(JAKARTA).date(),
                "user_id": user,
                "valid_from": moment,
                "first_name": f"First{user[-3:]}",
                "last_name": f"Last{user[-3:]} ",
                "email": f"First{user[-3:]}.{version}@example.com",
                "default_payment": random.choice(_METHODS),
                "city": "Bandung",
                "created_date": registered,
            }
        )
    if random.random() < 0.2:
        data.users.append(dict(data.users[-1]))


def _add_product(data: RawData, random: Random, product: str) -> None:
    introduced = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=random.randrange(300_000))
    changes = sorted({_midday(random) for _ in range(random.randrange(4))})
    for moment in [introduced, *changes]:
        data.products.append(
            {
                "changed_date": moment.astimezone(JAKARTA).date(),
                "product_id": product,
                "valid_from": moment,
                "product_name": f"Thing {product}",
                "category": random.choice(["Electronics", "Office Tools", "Non-Fiction Books"]),
                "price": random.randint(5_000, 30_000_000),
                "created_date": introduced,
            }
        )


def _midday(random: Random) -> datetime:
    """A moment in the middle of one of the dates."""
    return datetime.combine(random.choice(DATES), time(11), JAKARTA).astimezone(UTC) + timedelta(
        microseconds=random.randrange(7_200_000_000)
    )
