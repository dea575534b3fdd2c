"""COPY of rows into a table, encoded by compiled code where the installation compiled it, else by asyncpg."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import asyncpg

try:
    from order_platform.postgres import binary_rows
except ImportError:
    binary_rows = None  # type: ignore[assignment]

ROWS_ARE_COMPILED: Final = binary_rows is not None
ROWS_AT_ONCE: Final = 500
"""Rows that are encoded before the event loop is given back, and sent while the next ones are encoded."""

_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no header extension
_END: Final = b"\xff\xff"


async def copy_rows(
    connection: asyncpg.Connection[asyncpg.Record],
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[tuple[Any, ...]],
    *,
    compiled: bool = ROWS_ARE_COMPILED,
) -> None:
    """Append rows to a table; `columns` gives the type of each column, as SQL names it."""
    if compiled:
        source = _encode(list(columns.values()), rows)
        await connection.copy_to_table(table, source=source, columns=list(columns), format="binary")
    else:
        # asyncpg encodes a plain tuple in half the time of a named one.
        plain = [tuple(row) for row in rows]
        await connection.copy_records_to_table(table, records=plain, columns=list(columns))


async def _encode(types: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> AsyncIterator[bytes]:
    encoder = binary_rows.RowEncoder(types)
    yield _BEGIN
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield encoder.encode(rows[start : start + ROWS_AT_ONCE])
    yield _END
