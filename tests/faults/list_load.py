"""Changes of a list beside the orders, by a writer that continues after each failure of the database."""

import asyncio
import random
from contextlib import suppress
from typing import Final

import asyncpg

from order_lists.model import ChangeRequest
from order_lists.repository import change_entries
from order_platform.postgres.errors import DATABASE_ERRORS

LIST: Final = "watched_users"
USERS: Final = 1_000
"""As many as tests/faults/load.py has."""


class ListLoad:
    """Adds users to a list that the ruleset declares, and removes others; `changes` counts those that were made."""

    def __init__(self, database_url: str, *, rate: float, seed: int = 1) -> None:
        self._database_url = database_url
        self._rate = rate
        self._random = random.Random(seed)
        self._stop = asyncio.Event()
        self.changes = 0

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        while not self._stop.is_set():
            with suppress(*DATABASE_ERRORS):  # it was killed; a change is made in full or not at all
                connection = await asyncpg.connect(self._database_url, timeout=5)
                try:
                    await self._change(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.2)

    async def _change(self, connection: asyncpg.Connection) -> None:
        while not self._stop.is_set():
            if await connection.fetchval("select exists (select from lists where name = $1)", LIST):
                added, removed = (
                    frozenset(f"U{self._random.randrange(USERS)}" for _ in range(count)) for count in (5, 20)
                )
                result = await change_entries(
                    connection,
                    ChangeRequest(
                        list_name=LIST,
                        author="test",
                        reason="load",
                        provenance="test",
                        action="add",
                        add=dict.fromkeys(added, None),
                        remove=removed - added,
                    ),
                )
                self.changes += result.number is not None
            await asyncio.sleep(1 / self._rate)
