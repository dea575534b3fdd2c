"""What the settings stand for: connections, the warehouse, the world."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from order_batch.pipeline import BatchPipeline
from order_batch.settings import BatchSettings, WarehouseKind
from order_batch.warehouse.duckdb_warehouse import DuckDbWarehouse
from order_batch.warehouse.port import Warehouse


def connect(settings: BatchSettings) -> "psycopg.Connection[Any]":
    """A connection to Postgres, each statement a transaction of its own unless one is begun."""
    return psycopg.connect(
        settings.database_url.get_secret_value(), autocommit=True, application_name="order-batch", connect_timeout=10
    )


def open_warehouse(settings: BatchSettings) -> Warehouse:
    """The warehouse, its raw tables there."""
    warehouse: Warehouse
    if settings.warehouse is WarehouseKind.BIGQUERY:
        # Only who uses it loads Google's client, which takes a second.
        from order_batch.warehouse.bigquery_warehouse import BigQueryWarehouse  # noqa: PLC0415

        warehouse = BigQueryWarehouse(settings)
    else:
        warehouse = DuckDbWarehouse(settings.warehouse_path, settings.warehouse_wait_seconds)
    warehouse.prepare()
    return warehouse


@contextmanager
def open_pipeline(settings: BatchSettings | None = None) -> Iterator[BatchPipeline]:
    """The pipeline as the settings say, which are the environment's unless others are given.

    From here on, what this process and dbt write is for their user alone.
    """
    settings = settings or BatchSettings()
    os.umask(0o077)  # the warehouse, and what is on its way there, hold customers' data
    with connect(settings) as connection:
        yield BatchPipeline(settings, connection, open_warehouse(settings))
