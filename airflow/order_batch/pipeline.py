"""The whole of the batch side for some business dates: catalog, loads, dbt, marts. Each step can be repeated."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import psycopg

from marketplace_simulator import BEGINNING, World
from order_batch.catalog.fill import fill_gaps
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Build, Dbt
from order_batch.transform.publish import FirstRows, first_rows, marts, publish
from order_batch.warehouse.comparison import Comparison, compare, dirty_dates
from order_batch.warehouse.extract import extract
from order_batch.warehouse.ledger import LoadLedger
from order_batch.warehouse.load import ORDER_TABLES, load, order_partitions
from order_batch.warehouse.lookup import LoadedOrder, look_up
from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import ORDERS, PRODUCTS, USERS, Table
from order_contract.business_time import BUSINESS_ZONE


class BatchPipeline:
    """The steps, over one connection to Postgres and one warehouse."""

    def __init__(self, settings: BatchSettings, connection: "psycopg.Connection[Any]", warehouse: Warehouse) -> None:
        self._settings = settings
        self._connection = connection
        self._warehouse = warehouse
        self._ledger = LoadLedger(connection, warehouse.name)

    def fill_catalog(self) -> tuple[int, int]:
        """Append users and products that are missing up to now; returns how many of each."""
        return fill_gaps(self._connection, World(self._settings.world_seed), datetime.now(BUSINESS_ZONE))

    def load_users(self, last: date) -> dict[str, int]:
        """Load what is not loaded as it stands of users up to a date; returns the number of rows by table."""
        return self._load_catalog(USERS, last)

    def load_products(self, last: date) -> dict[str, int]:
        """The same of products."""
        return self._load_catalog(PRODUCTS, last)

    def load_orders(self, day: date) -> dict[str, int]:
        """Load a business date's orders and hits; returns the number of rows by table."""
        return self._load(order_partitions(day))

    def loaded_dates(self) -> tuple[date, date] | None:
        """The first and the last business date that was ever loaded; None when none was."""
        return self._ledger.span(ORDERS)

    def compare(self, first: date, last: date) -> list[Comparison]:
        """Orders and hits of business dates, in Postgres and in the warehouse, by date."""
        found = (
            comparison
            for table in ORDER_TABLES
            for comparison in compare(self._warehouse, self._ledger, table, first, last)
        )
        return sorted(found, key=lambda comparison: comparison.partition)

    def dirty_dates(self, first: date, last: date) -> list[date]:
        """Business dates whose orders in Postgres are not those that were loaded, or not those in the warehouse."""
        return dirty_dates(self.compare(first, last))

    def look_up(self, order_ids: Sequence[str]) -> list[LoadedOrder]:
        """What the warehouse holds of those of the orders that Postgres holds."""
        return look_up(self._connection, self._warehouse, order_ids)

    def build(self, first: date, last: date) -> Build:
        """Build and test with dbt; what failed stands in the results. Raises DbtError when there are none."""
        return Dbt(self._settings).build(first, last)

    def mend(self, day: date) -> int:
        """Load and build a date again; returns the number of rows. Raises DbtError when a model or test fails."""
        # Who orders late may be new as well.
        loads = (self.load_users(day), self.load_products(day), self.load_orders(day))
        self.build(day, day).require_success()
        return sum(count for each in loads for count in each.values())

    def publish(self) -> dict[str, int]:
        """Copy the marts to Postgres; returns the number of rows of each."""
        found = marts(Dbt(self._settings).manifest())
        return publish(self._connection, self._warehouse, found, self._settings.published_rows)

    def first_rows(self, count: int) -> Iterator[FirstRows]:
        """The first rows of each published mart."""
        return first_rows(self._connection, count)

    def _load_catalog(self, table: Table, last: date) -> dict[str, int]:
        """Load months that are not loaded as they stand: the newest, as a rule."""
        return self._load((table, partition) for partition in self._ledger.dirty(table, BEGINNING.date(), last))

    def _load(self, wanted: Iterable[tuple[Table, Partition]]) -> dict[str, int]:
        return load(self._warehouse, self._ledger, extract(self._connection, wanted, self._settings.staging))
