"""Names in marts, such as a user's: the current ones of the catalog, which new versions change without any order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import xor
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Identifier

from order_batch.publish.published_partitions import PublishedContent
from order_batch.publish.table import columns_list
from order_batch.warehouse.partitions import Partition, business_dates
from order_batch.warehouse.port import Warehouse
from order_batch.warehouse.tables import Span

_MOST_MONTHS: Final = 2
"""Of more months so many versions are read that the whole mart may be read as well."""
_RENAMED: Final = Identifier("pg_temp", "renamed_keys")
_NONE: Final = PublishedContent(0, 0)
# A few keys, each with a few rows, which the index of the key finds.
_PLANNING: Final = "set local enable_nestloop = on"
_STAGE: Final = """
    create temporary table {renamed} on commit drop as select {key}, {columns} from {published} with no data
"""
_RENAME: Final = """
    update {published} as published set ({columns}) = row({renamed_columns})
    from {renamed} as renamed
    where published.{key} = renamed.{key} and ({published_columns}) is distinct from ({renamed_columns})
"""

CurrentNames = Mapping[str, tuple[str | None, ...]]
"""The current names of some keys: the values of the columns of their `Names`."""


@dataclass(frozen=True, slots=True)
class Names:
    """Columns that a mart has of a key, and where they come from.

    `view`, of schema silver, has a row per version of raw table `table`, with the current names of its key.
    """

    key: str
    table: str
    view: str
    columns: Sequence[str]


def read_new_names(
    warehouse: Warehouse,
    names: Names,
    published: Mapping[date, PublishedContent],
    built: Mapping[date, PublishedContent],
) -> CurrentNames | None:
    """The names of the keys with versions that are built and not published, by the contents of months.

    None where these months did not only gain versions, each later than those that they had: then any name may differ.
    """
    changed = [start for start, content in built.items() if published.get(start, _NONE) != content]
    if not published.keys() <= built.keys() or len(changed) > _MOST_MONTHS:
        return None
    days = [day for start in sorted(changed) for day in business_dates(start, Partition(start, Span.MONTH).last)]
    versions: dict[date, list[dict[str, Any]]] = defaultdict(list)
    if days:
        with warehouse.of_dates(names.view, days, ["valid_from", names.key]) as relation:
            columns = [name for name, _ in relation.columns]
            for row in relation.rows():
                version = dict(zip(columns, row, strict=True))
                versions[version["business_date"].replace(day=1)].append(version)
    found: dict[str, tuple[str | None, ...]] = {}
    for start in changed:
        before, known = published.get(start, _NONE), versions[start]
        if reduce(xor, (version["row_hash"] for version in known[: before.rows]), 0) != before.content_hash:
            return None
        for version in known[before.rows :]:
            found[version[names.key]] = tuple(version[column] for column in names.columns)
    return found


def rename(connection: "psycopg.Connection[Any]", table: Identifier, names: Names, current: CurrentNames) -> int:
    """Give the rows of these keys in a published table their current names; returns how many rows changed."""
    if not current:
        return 0
    parts = {
        "published": table, "renamed": _RENAMED, "key": Identifier(names.key), "columns": columns_list(names.columns),
        "renamed_columns": columns_list(names.columns, "renamed"),
        "published_columns": columns_list(names.columns, "published"),
    }  # fmt: skip
    connection.execute(_PLANNING)
    connection.execute(SQL(_STAGE).format(**parts))
    with connection.cursor() as cursor, cursor.copy(SQL("copy {} from stdin").format(_RENAMED)) as copy:
        for key, values in current.items():
            copy.write_row((key, *values))
    connection.execute(SQL("analyze {}").format(_RENAMED))
    changed = connection.execute(SQL(_RENAME).format(**parts)).rowcount
    connection.execute(SQL("drop table {}").format(_RENAMED))
    return changed
