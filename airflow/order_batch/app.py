"""Composition root of the batch side: builds connections, the warehouse and the pipeline from settings."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import psycopg

from marketplace_simulator import World
from order_batch.alerts import send_alert
from order_batch.catalog.hourly import HourlyCatalog
from order_batch.pipeline import BatchPipeline
from order_batch.quality.service import QualityChecks
from order_batch.settings import BatchSettings, WarehouseKind
from order_batch.transform.dbt import Dbt
from order_batch.warehouse.duckdb import DuckDbWarehouse
from order_batch.warehouse.port import Warehouse


def connect(settings: BatchSettings, *, as_owner: bool = False) -> "psycopg.Connection[Any]":
    """A connection to Postgres; each statement is its own transaction unless one is begun.

    As the tables' owner where the settings name one: what it does is refused to the batch side's role.
    """
    url = (settings.owner_database_url if as_owner else None) or settings.database_url
    return psycopg.connect(url.get_secret_value(), autocommit=True, application_name="order-batch", connect_timeout=10)


def open_warehouse(settings: BatchSettings) -> Warehouse:
    """The warehouse, with its raw tables created."""
    warehouse: Warehouse
    if settings.warehouse is WarehouseKind.BIGQUERY:
        # Imported only where it is used: Google's client takes a second to load.
        from order_batch.warehouse.bigquery.warehouse import BigQueryWarehouse  # noqa: PLC0415

        warehouse = BigQueryWarehouse(settings)
    else:
        warehouse = DuckDbWarehouse(settings.warehouse_path, settings.warehouse_wait_seconds)
    warehouse.prepare()
    return warehouse


@contextmanager
def open_pipeline(settings: BatchSettings | None = None) -> Iterator[BatchPipeline]:
    """The pipeline with these settings, or those of the environment.

    From here on, files that this process and dbt write are readable by their user alone.
    """
    settings = settings or BatchSettings()
    os.umask(0o077)  # the warehouse and the staged files hold customers' data
    with ExitStack() as stack:
        connection = owner = stack.enter_context(connect(settings))
        if settings.owner_database_url is not None:
            owner = stack.enter_context(connect(settings, as_owner=True))
        yield BatchPipeline(settings, connection, open_warehouse(settings), owner)


@contextmanager
def open_catalog(settings: BatchSettings | None = None) -> Iterator[HourlyCatalog]:
    """The catalog in Postgres with these settings, or those of the environment."""
    settings = settings or BatchSettings()
    with connect(settings) as connection:
        yield HourlyCatalog(connection, World(settings.world_seed))


@contextmanager
def open_quality_checks(link: str, settings: BatchSettings | None = None) -> Iterator[QualityChecks]:
    """The checks of data quality with these settings, or those of the environment; alerts end with the link."""
    settings = settings or BatchSettings()
    webhook = settings.failure_webhook
    with connect(settings) as connection:
        send = None if webhook is None else partial(send_alert, webhook, link=link)
        yield QualityChecks(connection, Dbt(settings), send)


def alert_failure(message: str, link: str) -> None:
    """Post a message to the webhook of the environment's settings, if there is one."""
    webhook = BatchSettings().failure_webhook
    if webhook is not None:
        send_alert(webhook, message, link)
