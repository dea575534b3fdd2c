"""Events of stored orders with the origins of their messages, decoded by compiled code where there is some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import asyncpg

from fraud_detector.stream.postgres_store import COLUMN_TYPES
from order_contract.event import OrderEvent, event_from_columns
from order_platform.postgres.copy_rows import ROWS_ARE_COMPILED, decode_copy
from order_platform.postgres.fetch_ahead import fetch_ahead

StoredEvent = tuple[OrderEvent, int, int, int]
"""An event, then epoch, partition and offset of its message."""

_EVENT_FIELDS: Final = len(OrderEvent._fields)
_ORIGIN: Final = ("source_epoch", "source_partition", "source_offset")
_ROW_TYPES: Final = tuple(COLUMN_TYPES.get(name, "text") for name in (*OrderEvent._fields, *_ORIGIN))


async def read_events(
    connection: asyncpg.Connection[asyncpg.Record],
    query: str,
    *arguments: Any,
    rows_at_once: int,
    process: Callable[[Sequence[StoredEvent]], Awaitable[None]],
    compiled: bool = ROWS_ARE_COMPILED,
) -> None:
    """Process the orders of a query in its sequence, up to `rows_at_once` at a time, in a transaction.

    The query gives the fields of an event, then epoch, partition and offset.
    """
    if compiled:

        async def process_slices(events: Sequence[StoredEvent]) -> None:
            for start in range(0, len(events), rows_at_once):
                await process(events[start : start + rows_at_once])

        await decode_copy(
            connection,
            query,
            *arguments,
            types=_ROW_TYPES,
            head_width=_EVENT_FIELDS,
            head_class=OrderEvent,
            process=process_slices,
        )
        return
    cursor = await connection.cursor(query, *arguments)
    async with aclosing(fetch_ahead(cursor, rows_at_once)) as fetched:
        async for rows in fetched:
            await process([(event_from_columns(row[:_EVENT_FIELDS]), *row[_EVENT_FIELDS:]) for row in rows])
