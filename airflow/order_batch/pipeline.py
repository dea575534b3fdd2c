"""Batch pipeline for business dates: catalog, loads, dbt, marts. Each step can be repeated."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
import structlog

from marketplace_simulator import World
from order_batch.catalog.backfill import backfill
from order_batch.export import ExportedDate, export_dates
from order_batch.extract.postgres import extract
from order_batch.extract.staging import staging_folder
from order_batch.extract.totals import PostgresTotals
from order_batch.loads.comparison import Comparer, Comparison, NotCompared, OutdatedDates
from order_batch.loads.erasure import Erasure
from order_batch.loads.ledger import LoadLedger
from order_batch.loads.loader import DAY_TABLES, load, order_partitions
from order_batch.loads.order_lookup import LoadedOrder, look_up
from order_batch.loads.retirement import Retirement
from order_batch.publish.marts import FirstRows, differing_marts, publish_marts, read_first_rows, read_marts
from order_batch.repair import Repair, Step, repair
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Dbt, log_event
from order_batch.transform.log_lines import NodeEvent
from order_batch.transform.results import Build
from order_batch.transform.upgrade import build
from order_batch.warehouse.partitions import EARLIEST, Partition, business_dates
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import ORDERS, PRODUCTS, USERS, Table
from order_contract.business_time import BUSINESS_ZONE

log = structlog.get_logger()


class BatchPipeline:
    """The steps, over one connection to Postgres and one warehouse.

    `owner` is a connection as the owner of Postgres' tables, for what changes orders; the same one where roles are not
    separated.
    """

    def __init__(
        self,
        settings: BatchSettings,
        connection: "psycopg.Connection[Any]",
        warehouse: Warehouse,
        owner: "psycopg.Connection[Any] | None" = None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._owner = owner or connection
        self._warehouse = warehouse
        self._ledger = LoadLedger(connection, warehouse.name)
        self._totals = PostgresTotals(connection)
        self._comparer = Comparer(connection, warehouse, self._totals)

    def fill_catalog(self) -> tuple[int, int]:
        """Append users and products that are missing up to now; returns how many of each."""
        return backfill(self._connection, World(self._settings.world_seed), datetime.now(BUSINESS_ZONE))

    def load_users(self, last: date) -> dict[str, int]:
        """Load the months of users up to a date that changed since their load; returns the number of rows by table."""
        return self._load_catalog(USERS, last)

    def load_products(self, last: date) -> dict[str, int]:
        """Load the months of products up to a date that changed since their load; returns the rows by table."""
        return self._load_catalog(PRODUCTS, last)

    def load_orders(self, day: date) -> dict[str, int]:
        """Load a business date's orders, hits and labels; returns the number of rows by table."""
        return self._load(order_partitions(day))

    def take_over(self, last: date) -> OutdatedDates:
        """The business dates up to `last` that a release loaded which had fewer raw tables, or fewer columns of them.

        Those of which Postgres no longer holds as many rows are kept as they are: that is decided once.
        """
        found = self._comparer.outdated_dates(DAY_TABLES, last)
        self._ledger.keep(DAY_TABLES, found.to_keep)
        return found

    def compare(self, first: date, last: date) -> list[Comparison]:
        """Orders, hits and labels of business dates, and the months of users and products up to the last, by date.

        Compared are Postgres, the raw tables, what was built of them, and what was published.
        """
        catalog = [each for table in (USERS, PRODUCTS) for each in self._comparer.compare(table, EARLIEST, last)]
        orders = [each for table in DAY_TABLES for each in self._comparer.compare(table, first, last)]
        return sorted([*catalog, *orders], key=lambda comparison: comparison.partition.start)

    def not_compared(self, today: date) -> NotCompared:
        """The orders of today and of later dates, which no comparison up to yesterday covers."""
        return self._comparer.not_compared(today)

    def export(self, first: date, last: date, folder: Path) -> Iterator[ExportedDate]:
        """Write the decided orders of business dates below a folder, as the warehouse holds them."""
        return export_dates(self._warehouse, business_dates(first, last), folder)

    def frozen_dates(self, first: date, last: date) -> set[date]:
        """The business dates from `first` to `last` whose orders were removed from Postgres on purpose."""
        return {each.start for each in self._ledger.frozen(ORDERS, first, last)}

    def order_dates(self) -> tuple[date, date] | None:
        """The first and the last business date whose orders Postgres holds; None if it holds none."""
        return self._comparer.order_dates()

    def retirement(self) -> Retirement:
        """The steps that remove old orders from Postgres."""
        return Retirement(self._owner, self._ledger, self._comparer)

    def erasure(self) -> Erasure:
        """The steps that erase a user in Postgres and the raw tables."""
        return Erasure(self._owner, self._warehouse)

    def look_up(self, order_ids: Sequence[str]) -> list[LoadedOrder]:
        """What the warehouse holds of those of the orders that Postgres holds."""
        return look_up(self._connection, self._warehouse, order_ids)

    def build(
        self, first: date, last: date, listen: Callable[[NodeEvent], None] = log_event, *, full_refresh: bool = False
    ) -> Build:
        """Build and test with dbt; the results include failures. Raises DbtError if there are none.

        All dates are built when `full_refresh` says so, or when the warehouse holds models of an earlier release.
        `listen` gets an event when a model or test begins, and when it has ended.
        """
        return build(Dbt(self._settings), self._warehouse, first, last, listen, full_refresh=full_refresh)

    def repair(self, first: date, last: date, found: list[Comparison], step: Step = log.info) -> Repair:
        """Load, build and publish what a comparison found not to agree, and compare again."""
        return repair(self, found, first, last, step)

    def publish(self, *, whole: bool = False) -> dict[str, int]:
        """Copy the marts to Postgres; returns the number of rows of each. All is read when `whole` says so."""
        found = read_marts(Dbt(self._settings).manifest())
        return publish_marts(self._connection, self._warehouse, found, self._settings.published_rows, whole=whole)

    def differing_marts(self) -> list[str]:
        """The marts whose published rows are not those of the warehouse, compared row by row; none before a build."""
        if not any(model.layer == "gold" for model in self._warehouse.models()):
            return []
        found = read_marts(Dbt(self._settings).project_manifest())
        return differing_marts(self._connection, self._warehouse, found, self._settings.published_rows)

    def first_rows(self, count: int) -> Iterator[FirstRows]:
        """The first rows of each published mart."""
        return read_first_rows(self._connection, count)

    def _load_catalog(self, table: Table, last: date) -> dict[str, int]:
        """Load the months that differ from Postgres: usually the newest."""
        return self._load((table, partition) for partition in self._comparer.to_load(table, EARLIEST, last))

    def _load(self, wanted: Iterable[tuple[Table, Partition]]) -> dict[str, int]:
        with staging_folder(self._settings.staging) as folder:
            return load(self._warehouse, self._ledger, extract(self._connection, wanted, folder, totals=self._totals))
