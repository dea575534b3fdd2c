"""Totals of partitions in Postgres, over the same rows and columns that an extract writes."""

from dataclasses import replace
from datetime import date
from typing import Any

import psycopg
from psycopg.sql import SQL

from order_batch.extract.sources import SOURCES
from order_batch.warehouse.content_hash import POSTGRES
from order_batch.warehouse.known_totals import Fingerprint, KnownTotals
from order_batch.warehouse.partitions import Partition, Totals, moments
from order_batch.warehouse.tables import Table

# In one statement, and so of one snapshot.
_TOTALS = """
    with versions as ({versions}), totals as (
        select {partition} as partition_start, count(*) as total_rows,
            {amount} as amount, {content_hash} as content_hash
        from ({rows}) as extracted group by 1
    )
    select partition_start, version_rows, versions_hash, total_rows, amount, content_hash
    from versions left join totals using (partition_start)
"""
# Postgres gives every version of a row a transaction, and a place that no other has at the time: these tell the rows of
# a partition from others.
_VERSIONS = """
    select {partition} as partition_start,
        count(*) as version_rows, bit_xor(hashtidextended(ctid, xmin::text::bigint)) as versions_hash
    from {table} where {moment} >= %(start)s and {moment} < %(end)s group by 1
"""
_ROW_COUNTS = "select {partition}, count(*) from ({rows}) as extracted group by 1"


class PostgresTotals:
    """Reads the totals of partitions, and hashes rows again only where these are other versions than the last time."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self._known = KnownTotals()

    def read(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        """The totals of the rows from business date `first` to `last`, by partition; without rows there are none."""
        found = self._known.read(table, first, last, self._fingerprints, self._hash)
        return {partition: totals for partition, totals in found.items() if totals.rows}

    def remember(self, table: Table, partition: Partition, totals: Totals) -> Totals:
        """Keep the totals of a partition's rows, read in the same snapshot, while Postgres has these rows.

        Returns them with the number of rows as Postgres counts it, where it holds one for each.
        """
        found = {day: Fingerprint(*rest) for day, *rest in self._fingerprints(table, partition.start, partition.last)}
        fingerprint = found.get(partition.start, Fingerprint(0, 0))
        if SOURCES[table.name].is_row_by_row:
            totals = replace(totals, rows=fingerprint.rows)
        self._known.remember(table, partition, fingerprint, totals)
        return totals

    def row_counts(self, table: Table, first: date, last: date) -> dict[Partition, int]:
        """The number of rows from business date `first` to `last`, by partition, without reading their columns."""
        statement = _ROW_COUNTS.format(
            partition=_partition(table, f"{table.partition_column}::timestamp", first, last),
            rows=SOURCES[table.name].select(table),
        )
        return {Partition(day, table.span): rows for day, rows in self._run(statement, first, last)}

    def _fingerprints(self, table: Table, first: date, last: date) -> list[tuple[Any, ...]]:
        return self._run(_versions(table, first, last), first, last)

    def _hash(self, table: Table, first: date, last: date) -> dict[Partition, Totals]:
        statement = _TOTALS.format(
            versions=_versions(table, first, last),
            partition=_partition(table, f"{table.partition_column}::timestamp", first, last),
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
            self._known.remember(table, partition, Fingerprint(version_rows, versions_hash), totals)
            found[partition] = totals
        return found

    def _run(self, statement: str, first: date, last: date) -> list[tuple[Any, ...]]:
        start, end = moments(first, last)
        return self._connection.execute(SQL(statement), {"start": start, "end": end}).fetchall()


def _versions(table: Table, first: date, last: date) -> str:
    """The statement that reads the row versions of a table's source, by partition."""
    source = SOURCES[table.name]
    partition = _partition(table, f"{source.moment} at time zone 'Asia/Jakarta'", first, last)
    return _VERSIONS.format(partition=partition, table=source.table, moment=source.moment)


def _partition(table: Table, local: str, first: date, last: date) -> str:
    """The first date of a row's partition, from its time in the business time zone.

    A literal where all rows are of one partition, as in the run of a date: computing it takes two thirds of the time
    in which the versions of rows are read.
    """
    start = Partition.of(table, first).start
    if start == Partition.of(table, last).start:
        return f"date '{start}'"
    return f"date_trunc('{table.span.value}', {local})::date"
