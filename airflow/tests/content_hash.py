"""The content hash of rows by plain Python: what Postgres, DuckDB and BigQuery are to come to."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import reduce
from operator import xor
from typing import Any

from order_batch.warehouse.tables import Kind, Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def content_hash(table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """The hash of rows, whose times and dates may be texts; a column that a row does not have is null."""
    return xor_all(row_hash(as_text(column.kind, row.get(column.name)) for column in table.columns) for row in rows)


def xor_all(hashes: Iterable[int]) -> int:
    """The hash of several rows; 0 of none."""
    return reduce(xor, hashes, 0)


def row_hash(texts: Iterable[str | None]) -> int:
    """The first 60 bits of the MD5 of a row's columns as text."""
    joined = "\x1f".join("\x1e" if text is None else text for text in texts)
    return int(hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def as_text(kind: Kind, value: Any) -> str | None:
    """A value as the text that is hashed: times as microseconds and dates as days since 1970."""
    if value is None:
        return None
    if kind is Kind.TIMESTAMP:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return str((moment - _EPOCH) // datetime.resolution)
    if kind is Kind.DATE:
        day = value if isinstance(value, date) else date.fromisoformat(value)
        return str((day - _EPOCH.date()).days)
    return str(value)
