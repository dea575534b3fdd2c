"""Lookup of orders in the warehouse, with the time of their load."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from order_batch.loads.ledger import LoadLedger
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import ORDERS

_DATES = """
    select order_id, (created_date at time zone 'Asia/Jakarta')::date from orders where order_id = any(%s)
"""


@dataclass(frozen=True, slots=True)
class LoadedOrder:
    """A stored order: its business date, when that was last loaded, and its row in the warehouse, if any."""

    order_id: str
    business_date: date
    loaded_at: datetime | None
    row: Mapping[str, Any] | None


def look_up(connection: "psycopg.Connection[Any]", warehouse: Warehouse, order_ids: Sequence[str]) -> list[LoadedOrder]:
    """The orders that Postgres holds, in the given order; rows are read in one query per date."""
    dates: dict[str, date] = dict(connection.execute(_DATES, [list(order_ids)]).fetchall())
    by_date: dict[date, list[str]] = defaultdict(list)
    for order_id, day in dates.items():
        by_date[day].append(order_id)
    ledger = LoadLedger(connection, warehouse.name)
    loaded_at = {day: ledger.loaded_at(ORDERS, day) for day in by_date}
    rows = {row["order_id"]: row for day, wanted in by_date.items() for row in warehouse.orders(day, wanted)}
    return [
        LoadedOrder(order_id, dates[order_id], loaded_at[dates[order_id]], rows.get(order_id))
        for order_id in order_ids
        if order_id in dates
    ]
