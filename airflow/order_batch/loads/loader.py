"""Loads extracts into the warehouse, compares them and records them in the ledger."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

import structlog

from order_batch.extract.postgres import Extract
from order_batch.loads.ledger import LoadLedger
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import ORDERS, RULE_HITS, Table

log = structlog.get_logger()

# Loaded from one snapshot, hits first: whatever fails in between, no hit is there whose order is not.
ORDER_TABLES: Sequence[Table] = (RULE_HITS, ORDERS)


def order_partitions(day: date) -> list[tuple[Table, Partition]]:
    """The partitions that a business date's load replaces: orders with their decisions, and hits."""
    return [(table, Partition.of(table, day)) for table in ORDER_TABLES]


def load(warehouse: Warehouse, ledger: LoadLedger, extracts: Iterable[Extract]) -> dict[str, int]:
    """Load extracts, record them and delete their files; returns the number of rows of each table.

    A repeat loads the same again. Raises WarehouseError and WarehouseUnavailableError; the files then stay.
    """
    rows: Counter[str] = Counter()
    for each in extracts:
        warehouse.load(each.table, each.partition, each.files, each.totals)
        ledger.record(each.table, each.partition, each.totals.content_hash)
        each.discard()
        rows[each.table.name] += each.totals.rows
        log.info("loaded", table=each.table.name, partition=str(each.partition), rows=each.totals.rows)
    return dict(rows)
