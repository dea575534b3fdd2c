"""Loads extracts into the warehouse, compares them and records them in the ledger."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

import structlog

from order_batch.extract.postgres import Extract
from order_batch.loads.ledger import LoadLedger
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import LABELS, ORDERS, RULE_HITS, Table

log = structlog.get_logger()

# Loaded from one snapshot, hits first: whatever fails in between, no hit is there whose order is not.
ORDER_TABLES: Sequence[Table] = (RULE_HITS, ORDERS)
# What a business date's load replaces. Labels are of the date on which they came, whatever the date of their order.
DAY_TABLES: Sequence[Table] = (*ORDER_TABLES, LABELS)


def order_partitions(day: date) -> list[tuple[Table, Partition]]:
    """The partitions that a business date's load replaces: orders with their decisions, hits, and labels."""
    return [(table, Partition.of(table, day)) for table in DAY_TABLES]


def load(warehouse: Warehouse, ledger: LoadLedger, extracts: Iterable[Extract]) -> dict[str, int]:
    """Load extracts, record them and delete their files; returns the number of rows of each table.

    Beside those of orders, the sum of their amounts is `orders_amount`: a control total, over all currencies.

    A repeat loads the same again. A partition that was frozen keeps what the warehouse holds: of it Postgres holds no
    rows, or only a part. Raises WarehouseError and WarehouseUnavailableError; the files then stay.
    """
    rows: Counter[str] = Counter()
    with ledger.loading():
        # Not before: orders are removed only after their dates are frozen, so what was extracted is whole if they are
        # not frozen now.
        for each in extracts:
            if each.partition in ledger.frozen(each.table, each.partition.start, each.partition.start):
                log.warning("frozen_partition_not_loaded", table=each.table.name, partition=str(each.partition))
                each.discard()
                continue
            _load(warehouse, ledger, each)
            rows[each.table.name] += each.totals.rows
            if each.table is ORDERS:
                rows["orders_amount"] += each.totals.amount or 0
    return dict(rows)


def _load(warehouse: Warehouse, ledger: LoadLedger, each: Extract) -> None:
    warehouse.load(each.table, each.partition, each.files, each.totals)
    ledger.record(each.table, each.partition, each.totals.content_hash)
    each.discard()
    log.info("loaded", table=each.table.name, partition=str(each.partition), rows=each.totals.rows)
