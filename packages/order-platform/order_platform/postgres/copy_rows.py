"""COPY of rows, encoded and decoded by compiled code where the installation compiled it, else by asyncpg."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from order_contract.compiled_modules import require_current

try:
    from order_platform.postgres import binary_rows
except ImportError:
    binary_rows = None  # type: ignore[assignment]
else:
    require_current(binary_rows)

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


async def decode_copy(
    connection: asyncpg.Connection[asyncpg.Record],
    query: str,
    *arguments: Any,
    types: Sequence[str],
    head_width: int,
    head_class: type[tuple[Any, ...]],
    process: Callable[[Sequence[Any]], Awaitable[None]],
) -> None:
    """Process the rows of a query as they arrive, where rows are compiled.

    A row is a tuple, of which the first `head_width` columns are one tuple of `head_class`; `types` are the columns' as
    SQL names them. While rows are processed, no others are received.
    """
    decoder = binary_rows.RowDecoder(types, head_width, head_class)

    async def decode(data: bytes) -> None:
        await process(decoder.decode(data))

    await connection.copy_from_query(query, *arguments, output=decode, format="binary")
