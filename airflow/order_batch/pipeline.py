"""The whole of the batch side for some business dates: catalog, loads, dbt, marts. Each step can be repeated."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import psycopg

from order_batch.catalog.fill import fill_gaps
from order_batch.settings import BatchSettings
from order_batch.transform.dbt import Build, Dbt
from order_batch.transform.publish import marts, publish
from order_batch.warehouse.ledger import LoadLedger
from order_batch.warehouse.load import catalog_partitions, load_partitions, order_partitions
from order_batch.warehouse.partitions import Partition, business_dates
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import PRODUCTS, USERS, Table
from order_contract.business_time import BUSINESS_ZONE
from order_contract.world import World


class BatchPipeline:
    """The steps, over one connection to Postgres and one warehouse."""

    def __init__(self, settings: BatchSettings, connection: "psycopg.Connection[Any]", warehouse: Warehouse) -> None:
        self._settings = settings
        self._connection = connection
        self._warehouse = warehouse

    def fill_catalog(self) -> tuple[int, int]:
        """Append users and products that are missing up to now; returns how many of each."""
        return fill_gaps(self._connection, World(self._settings.world_seed), datetime.now(BUSINESS_ZONE))

    def load_users(self, last: date) -> int:
        """Load what is not loaded as it stands of users up to a date; returns the number of rows."""
        return self._load_catalog(USERS, last)

    def load_products(self, last: date) -> int:
        """The same of products."""
        return self._load_catalog(PRODUCTS, last)

    def load_orders(self, day: date) -> int:
        """Load a business date's orders and hits; returns the number of rows."""
        return self._load(order_partitions(day))

    def dirty_dates(self, first: date, last: date) -> list[date]:
        """Business dates whose orders in Postgres are not those that were loaded."""
        ledger = LoadLedger(self._connection, self._warehouse.name)
        found = {
            partition.start for table, _ in order_partitions(first) for partition in ledger.dirty(table, first, last)
        }
        return [day for day in business_dates(first, last) if day in found]

    def build(self, first: date, last: date) -> Build:
        """Build and test with dbt; what failed stands in the results. Raises DbtError when there are none."""
        return Dbt(self._settings).build(first, last)

    def mend(self, day: date) -> int:
        """Load and build a date again; returns the number of rows. Raises DbtError when a model or test fails."""
        rows = self.load_orders(day)
        self.build(day, day).require_success()
        return rows

    def publish(self) -> dict[str, int]:
        """Copy the marts to Postgres; returns the number of rows of each."""
        return publish(self._connection, self._warehouse, marts(self._settings.dbt_project))

    def _load_catalog(self, table: Table, last: date) -> int:
        ledger = LoadLedger(self._connection, self._warehouse.name)
        return self._load(catalog_partitions(ledger, table, last))

    def _load(self, wanted: Sequence[tuple[Table, Partition]]) -> int:
        return load_partitions(self._connection, self._warehouse, wanted, self._settings.staging)
