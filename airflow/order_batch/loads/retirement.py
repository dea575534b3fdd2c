"""Retirement: orders of old business dates are removed from Postgres, once the warehouse holds them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import psycopg

from order_batch.loads.comparison import Comparer
from order_batch.loads.ledger import LoadLedger
from order_batch.loads.loader import ORDER_TABLES
from order_batch.warehouse.partitions import EARLIEST

BATCH: Final = 5_000
"""Orders that are removed in one transaction: a second or less, in which nothing waits for it."""

_BEFORE = "created_date < %(before)s::timestamp at time zone 'Asia/Jakarta'"
_COUNT = f"""
    select (created_date at time zone 'Asia/Jakarta')::date, count(*) from orders where {_BEFORE} group by 1 order by 1
"""
# Orders whose offsets the detectors have not committed may be read, and published, again.
_UNCOMMITTED = f"""
    select count(*)
    from orders
    join (
        select topic, epoch, partition, max(next_offset) as next_offset
        from group_positions
        where (topic, epoch) in (select topic, max(epoch) from topic_epochs group by topic)
        group by topic, epoch, partition
    ) as position
        on position.topic = source_topic and position.epoch = source_epoch and position.partition = source_partition
    where {_BEFORE} and source_offset >= next_offset
"""


class RetirementError(Exception):
    """Dates cannot be retired; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RetirementPlan:
    """What would be removed: the orders in Postgres by business date, all earlier than `before`."""

    before: date
    orders: dict[date, int]

    @property
    def total(self) -> int:
        """The number of orders."""
        return sum(self.orders.values())


class Retirement:
    """Retires dates in Postgres, as the owner of its tables. Each step may be repeated, also after a kill."""

    def __init__(self, connection: "psycopg.Connection[Any]", ledger: LoadLedger, comparer: Comparer) -> None:
        self._connection = connection
        self._ledger = ledger
        self._comparer = comparer

    def plan(self, before: date) -> RetirementPlan:
        """What there is to remove. Raises RetirementError unless the warehouse and the marts hold it all."""
        self._require_agreement(before)
        found = self._connection.execute(_COUNT, {"before": before}).fetchall()
        return RetirementPlan(before, dict(found))

    def freeze(self, before: date) -> None:
        """Store no orders of earlier dates any more, and freeze those dates in the ledger.

        Raises RetirementError when an order came since the plan was made: then nothing is frozen, and its date has to
        be loaded and built first.
        """
        self._connection.execute("select move_retention(%s)", [before])
        with self._ledger.freezing():
            self._ledger.freeze(ORDER_TABLES, self.plan(before).orders)

    def remove(self, batch: int = BATCH) -> Iterator[int]:
        """Remove orders of frozen dates, batch after batch; yields how many each removed."""
        while removed := self._remove(batch):
            yield removed

    def _remove(self, batch: int) -> int:
        found = self._connection.execute("select retire_orders(%s)", [batch]).fetchone()
        assert found is not None
        return int(found[0])

    def _require_agreement(self, before: date) -> None:
        last = before - timedelta(days=1)
        # Frozen dates are not compared any more, so each has to be built and published before.
        dirty = sorted(
            {
                comparison.partition
                for table in ORDER_TABLES
                for comparison in self._comparer.compare(table, EARLIEST, last)
                if not comparison.is_clean
            }
        )
        if dirty:
            raise RetirementError(
                f"the warehouse and the marts do not hold what Postgres holds of {', '.join(map(str, dirty))}: nothing "
                f"was removed. Run `order-batch reconcile {dirty[0]}..{dirty[-1]} --repair`, then this again"
            )
        found = self._connection.execute(_UNCOMMITTED, {"before": before}).fetchone()
        if found is not None and found[0]:
            raise RetirementError(
                f"{found[0]:,} of these orders are of messages that no detector has committed yet: nothing was "
                "removed. Wait until `orderwatch lag` shows none, then run this again"
            )
