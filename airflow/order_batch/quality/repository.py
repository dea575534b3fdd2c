"""Figures of business dates in Postgres, and the alerts that were sent."""

from datetime import date, timedelta
from typing import Any

import psycopg

from order_batch.loads.loader import ORDER_TABLES
from order_batch.quality.checks import HISTORY_DAYS, DayFigures, Finding, UnknownShares
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.tables import ORDERS

_FIGURES = """
    select (created_date at time zone 'Asia/Jakarta')::date as day, count(*), count(*) filter (where status = 'fraud')
    from orders where created_date >= %s and created_date < %s group by day order by day
"""
_COUNT = "select count(*) from orders where created_date >= %s and created_date < %s"
_UNKNOWN = """
    select
        count(*),
        count(*) filter (where not exists (select from users where users.user_id = orders.user_id)),
        count(*) filter (where not exists (select from products where products.product_id = orders.product_id))
    from orders where created_date >= %s and created_date < %s
"""
# A load without a hash is of a release that knew none. Hits may be published without a row, when the date has none.
_PUBLISHED = """
    select count(*)
    from unnest(%(tables)s::text[]) as of (table_name)
    cross join lateral (
        select content_hash from warehouse_loads
        where warehouse_loads.table_name = of.table_name and partition_start = %(day)s
        order by loaded_at desc limit 1
    ) as loaded
    left join published_partitions as published
        on published.table_name = of.table_name and published.partition_start = %(day)s
    where coalesce(loaded.content_hash, published.content_hash) = coalesce(published.content_hash, 0)
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

    def orders(self, day: date) -> int:
        """Number of orders of a date."""
        ((count,),) = self._connection.execute(_COUNT, list(Partition.of(ORDERS, day).moments)).fetchall()
        return int(count)

    def is_published(self, day: date) -> bool:
        """Whether the published marts are made from what the last load of the date wrote, by its content hash."""
        tables = [table.name for table in ORDER_TABLES]
        ((published,),) = self._connection.execute(_PUBLISHED, {"tables": tables, "day": day}).fetchall()
        return int(published) == len(tables)

    def record(self, finding: Finding) -> bool:
        """Record an alert; returns whether it is the first of its check for its date."""
        values = [finding.check, finding.day, finding.message]
        return self._connection.execute(_RECORD, values).rowcount == 1
