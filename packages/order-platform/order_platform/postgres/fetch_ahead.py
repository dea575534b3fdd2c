"""Rows of a server-side cursor, read ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import asyncpg
from asyncpg.cursor import Cursor


async def fetch_ahead(
    cursor: Cursor[asyncpg.Record], rows_at_once: int
) -> AsyncGenerator[Sequence[asyncpg.Record], None]:
    """All rows of a cursor, in batches: the next batch is fetched while the current one is processed.

    Use it in `contextlib.aclosing`: when it is left early, it waits until the connection is usable again.
    """
    fetching = asyncio.create_task(cursor.fetch(rows_at_once))
    try:
        while rows := await fetching:
            fetching = asyncio.create_task(cursor.fetch(rows_at_once))
            await asyncio.sleep(0)  # so that the request is sent
            yield rows
    finally:
        if not fetching.done():
            fetching.cancel()
            await asyncio.wait([fetching])
