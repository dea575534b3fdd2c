"""Figures of business dates in Postgres, and the alerts that were sent."""

from datetime import date, timedelta
from typing import Any

import psycopg

from order_batch.quality.checks import HISTORY_DAYS, DayFigures, Finding, UnknownShares
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.tables import ORDERS

_FIGURES = """
    select (created_date at time zone 'Asia/Jakarta')::date as day, count(*), count(*) filter (where status = 'fraud')
    from orders where created_date >= %s and created_date < %s group by day order by day
"""
_UNKNOWN = """
    select
        count(*),
        count(*) filter (where not exists (select from users where users.user_id = orders.user_id)),
        count(*) filter (where not exists (select from products where products.product_id = orders.product_id))
    from orders where created_date >= %s and created_date < %s
"""
_PUBLISHED = """
    select exists (
        select from warehouse_loads
        where table_name = 'orders' and partition_start = %s
            and loaded_at <= (select min(published_at) from published_marts)
    )
"""
_RECORD = """
    insert into quality_alerts (check_name, business_date, message) values (%s, %s, %s) on conflict do nothing
"""


class QualityRepository:
    """What the checks read, and the record of alerts."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def figures(self, day: date) -> list[DayFigures]:
        """Those of a date and of the dates before it, without dates that had no orders."""
        start, _ = Partition.of(ORDERS, day - timedelta(days=HISTORY_DAYS)).moments
        _, end = Partition.of(ORDERS, day).moments
        return [DayFigures(*row) for row in self._connection.execute(_FIGURES, [start, end])]

    def unknown_shares(self, day: date) -> UnknownShares:
        """Orders of a date whose user or product is not in the catalog."""
        (row,) = self._connection.execute(_UNKNOWN, list(Partition.of(ORDERS, day).moments)).fetchall()
        return UnknownShares(*row)

    def is_published(self, day: date) -> bool:
        """Whether the marts were published after the date was loaded last."""
        ((published,),) = self._connection.execute(_PUBLISHED, [day]).fetchall()
        return bool(published)

    def record(self, finding: Finding) -> bool:
        """Record an alert; returns whether it is the first of its check for its date."""
        values = [finding.check, finding.day, finding.message]
        return self._connection.execute(_RECORD, values).rowcount == 1
