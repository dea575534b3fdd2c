"""Totals of partitions in Postgres, over the same rows and columns that an extract writes."""

from datetime import date
from typing import Any

import psycopg
from psycopg.sql import SQL

from order_batch.extract.sources import SOURCES
from order_batch.warehouse.content_hash import POSTGRES
from order_batch.warehouse.partitions import Partition, Totals, moments
from order_batch.warehouse.tables import Table


def postgres_totals(
    connection: "psycopg.Connection[Any]", table: Table, first: date, last: date
) -> dict[Partition, Totals]:
    """The totals of the rows from business date `first` to `last`, by partition; those without rows are left out."""
    start, end = moments(first, last)
    amount = f"coalesce(sum({table.amount}), 0)" if table.amount else "null::numeric"
    statement = (
        f"select date_trunc('{table.span.value}', {table.partition_column}::timestamp)::date, count(*), {amount}, "
        f"{POSTGRES.content_hash(table)} from ({SOURCES[table.name].select(table)}) as extracted group by 1 order by 1"
    )
    found = connection.execute(SQL(statement), {"start": start, "end": end})
    return {
        Partition(day, table.span): Totals(count, None if total is None else int(total), content_hash)
        for day, count, total, content_hash in found
    }
