"""Which partitions of the raw tables the published marts are made from, recorded when marts are published."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import psycopg

from order_batch.warehouse.partitions import Partition
from order_batch.warehouse.port import BuiltPartition
from order_batch.warehouse.tables import Table


class PublishedContent(NamedTuple):
    """Rows of a partition in the published marts, and their content hash."""

    rows: int
    content_hash: int


_FOUND = """
    select partition_start, rows, content_hash from published_partitions
    where table_name = %s and partition_start between %s and %s
"""


def published_partitions(
    connection: "psycopg.Connection[Any]", table: Table, first: date, last: date
) -> dict[Partition, PublishedContent]:
    """What was published of the partitions that begin from `first` to `last`."""
    found = connection.execute(_FOUND, [table.name, first, last])
    return {Partition(start, table.span): PublishedContent(*content) for start, *content in found}


def replace_published_partitions(connection: "psycopg.Connection[Any]", built: Sequence[BuiltPartition]) -> None:
    """Record what is published now, in the transaction that publishes it."""
    connection.execute("delete from published_partitions")
    with connection.cursor() as cursor, cursor.copy("copy published_partitions from stdin") as copy:
        for each in built:
            copy.write_row(each)
