"""A made-up business date, small: orders with their hits, and the users and products that they are about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace_simulator import World
from order_batch.catalog.backfill import ProductVersion, UserVersion, product_versions, user_versions
from order_batch.warehouse.partitions import Partition, Totals
from order_batch.warehouse.staged_files import arrow_schema
from order_batch.warehouse.tables import LABELS, ORDERS, PRODUCTS, RULE_HITS, USERS, Table
from order_contract.business_time import BUSINESS_ZONE, business_date
from tests.content_hash import content_hash

Row = Mapping[str, Any]

_WEEK = timedelta(days=7)
_FILES = 2


class Staged(NamedTuple):
    """A partition in files, as an extract leaves it."""

    table: Table
    partition: Partition
    files: Sequence[Path]
    totals: Totals


@dataclass(frozen=True, slots=True)
class SampleDay:
    """The rows of raw tables. Orders are in rupiah; those from abroad are flagged, as the default rules would."""

    day: date
    rows: Mapping[str, Sequence[Row]]

    def stage(self, folder: Path) -> Iterator[Staged]:
        """Write each partition, catalog first."""
        for table in (USERS, PRODUCTS, RULE_HITS, LABELS, ORDERS):
            by_partition: dict[Partition, list[Row]] = {}
            for row in self.rows[table.name]:
                by_partition.setdefault(Partition.of(table, row[table.partition_column]), []).append(row)
            for partition, rows in sorted(by_partition.items()):
                yield stage(table, partition, rows, folder)


def make_day(day: date, orders: int, seed: int = 0) -> SampleDay:
    """A date with so many orders, by users who registered in the week before; the same each time."""
    start = datetime.combine(day, time(), BUSINESS_ZONE)
    since = start - _WEEK
    world, chance = World(seed), Random(f"{seed} {day}")
    users = list(user_versions(world.users_between(since, start)))
    products = list(product_versions(world.products_between(since, start)))
    made = [_order(number, start, chance, users, products) for number in range(orders)]
    rows = {
        USERS.name: [_version(each) for each in users],
        PRODUCTS.name: [_version(each) for each in products],
        ORDERS.name: made,
        RULE_HITS.name: [_hit(order) for order in made if order["status"] == "fraud"],
        LABELS.name: [_label(order) for order in made if order["status"] == "fraud" and order["source_offset"] % 2],
    }
    return SampleDay(day, rows)


def combine(days: Sequence[SampleDay]) -> SampleDay:
    """The rows of several days, each version of the catalog once."""
    rows: dict[str, Sequence[Row]] = {}
    for name in days[0].rows:
        found = [row for day in days for row in day.rows[name]]
        unique = name in {USERS.name, PRODUCTS.name}
        rows[name] = list({tuple(row.values()): row for row in found}.values()) if unique else found
    return SampleDay(days[-1].day, rows)


def stage(table: Table, partition: Partition, rows: Sequence[Row], folder: Path) -> Staged:
    """Write rows of a partition to files."""
    target = folder / table.name / partition.id
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(_FILES):
        files.append(target / f"{number:04}.parquet")
        pq.write_table(pa.Table.from_pylist(list(rows[number::_FILES]), arrow_schema(table)), files[-1])
    amount = sum(row[table.amount] for row in rows) if table.amount else None
    return Staged(table, partition, files, Totals(len(rows), amount, content_hash(table, rows)))


def _order(
    number: int, start: datetime, chance: Random, users: Sequence[UserVersion], products: Sequence[ProductVersion]
) -> Row:
    user, product = chance.choice(users), chance.choice(products)
    placed = start + timedelta(seconds=chance.randrange(86_400))
    decided = placed + timedelta(seconds=1)
    quantity = chance.randint(1, 3)
    fraud = chance.random() < 0.1
    return {
        "business_date": business_date(placed), "order_id": f"sample-{start:%Y%m%d}-{number:06}",
        "user_id": user.user_id, "product_id": product.product_id,
        "quantity": quantity, "amount": quantity * product.price, "currency": "IDR",
        "payment_method": user.default_payment, "country": "SG" if fraud else "ID", "created_date": placed,
        "device_id": None, "ip_address": None, "voucher_code": None, "email": user.email, "shipping_country": None,
        "account_created_date": user.created_date, "attributes": "{}",
        "status": "fraud" if fraud else "genuine", "outcome": "review" if fraud else "approve",
        "risk_score": 50 if fraud else 0, "ruleset_version": "sample", "decided_at": decided,
        "source_partition": 0, "source_offset": number, "appended_at": placed, "stored_at": decided,
        "source_topic": "orders", "source_epoch": 1, "features": orjson.dumps({"hour": placed.hour}).decode(),
        "seen": None, "lists_seen": None,
    }  # fmt: skip


def _hit(order: Row) -> Row:
    return {
        "business_date": order["business_date"], "order_id": order["order_id"], "rule": "foreign-country",
        "severity": "medium", "score": 50, "mode": "live",
        "reason": f"Ordered from {order['country']}, not from Indonesia.", "hit_number": 1,
    }  # fmt: skip


def _label(order: Row) -> Row:
    return {
        "business_date": order["business_date"], "order_id": order["order_id"], "label": "fraud", "source": "analyst",
        "labelled_at": order["decided_at"], "appended_at": order["decided_at"], "source_topic": "labels",
        "source_epoch": 1, "source_partition": 0, "source_offset": order["source_offset"],
        "reason": "stolen-card" if order["source_offset"] % 3 else None,
    }  # fmt: skip


def _version(version: UserVersion | ProductVersion) -> Row:
    return {"changed_date": business_date(version.valid_from), **version._asdict()}
