"""Totals of partitions in Postgres, over the same rows and columns that an extract writes."""

from datetime import date
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL

from order_batch.extract.sources import SOURCES
from order_batch.warehouse.content_hash import POSTGRES
from order_batch.warehouse.partitions import Partition, Totals, moments
from order_batch.warehouse.tables import Table


class _Versions(NamedTuple):
    """The row versions in a partition: their number, and the XOR of hashes of where and when each was
    written. Postgres gives every version of a row a transaction, and a place that no other has at the time.
    """

    rows: int
    hashed: int


# In one statement, and so of one snapshot.
_TOTALS = """
    with versions as ({versions}), totals as (
        select date_trunc('{span}', {partition_column}::timestamp)::date as partition_start, count(*) as total_rows,
            {amount} as amount, {content_hash} as content_hash
        from ({rows}) as extracted group by 1
    )
    select partition_start, version_rows, versions_hash, total_rows, amount, content_hash
    from versions left join totals using (partition_start)
"""
_VERSIONS = """
    select date_trunc('{span}', {moment} at time zone 'Asia/Jakarta')::date as partition_start,
        count(*) as version_rows, bit_xor(hashtidextended(ctid, xmin::text::bigint)) as versions_hash
    from {table} where {moment} >= %(start)s and {moment} < %(end)s group by 1
"""


class PostgresTotals:
    """Reads the totals of partitions, and hashes rows again only where these are other versions than the last time."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self._known: dict[tuple[str, Partition], tuple[_Versions, Totals]] = {}

    def read(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        """The totals of the rows from business date `first` to `last`, by partition; without rows there are none."""
        found = self._known_totals(table, first, last)
        if found is None:
            found = self._hash(table, first, last)
        return {partition: totals for partition, totals in found.items() if totals.rows}

    def _known_totals(self, table: Table, first: date, last: date) -> dict[Partition, Totals] | None:
        """The totals of the last time where all rows are the same versions; else None."""
        if not any(name == table.name for name, _ in self._known):
            return None
        statement = _VERSIONS.format(span=table.span.value, **_source(table))
        now = {Partition(day, table.span): _Versions(*versions) for day, *versions in self._run(statement, first, last)}
        known = {partition: self._known.get((table.name, partition)) for partition in now}
        totals = {partition: each[1] for partition, each in known.items() if each and each[0] == now[partition]}
        return totals if totals.keys() == now.keys() else None

    def _hash(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        statement = _TOTALS.format(
            versions=_VERSIONS.format(span=table.span.value, **_source(table)),
            span=table.span.value,
            partition_column=table.partition_column,
            amount=f"coalesce(sum({table.amount}), 0)" if table.amount else "null::numeric",
            content_hash=POSTGRES.content_hash(table),
            rows=SOURCES[table.name].select(table),
        )
        found: dict[Partition, Totals] = {}
        for day, version_rows, versions_hash, rows, amount, content_hash in self._run(statement, first, last):
            partition = Partition(day, table.span)
            totals = (
                Totals(rows, None if amount is None else int(amount), content_hash) if rows else Totals.empty(table)
            )
            self._known[table.name, partition] = _Versions(version_rows, versions_hash), totals
            found[partition] = totals
        return found

    def _run(self, statement: str, first: date, last: date) -> list[tuple[Any, ...]]:
        start, end = moments(first, last)
        return self._connection.execute(SQL(statement), {"start": start, "end": end}).fetchall()


def _source(table: Table) -> dict[str, str]:
    """Where the rows of a raw table come from, and the column that determines their partition."""
    source = SOURCES[table.name]
    return {"table": source.table, "moment": source.moment}
