"""Following the lists in Postgres: their changes are in force for the orders that are decided from then on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import asyncpg
import structlog

from decision_engine.lists import ListMembers
from decision_engine.ruleset import Ruleset, RulesetError
from fraud_detector.stream.postgres_connection import connected, errors_as_unavailable
from order_contract.notifications import LISTS_CHANNEL
from order_lists.model import ListSpec, OtherListError
from order_lists.repository import create_list, read_changes, read_members
from order_platform.outage_log import OutageLog
from order_platform.postgres.errors import DATABASE_ERRORS

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0
"""How long a change can take when its notification is lost."""
RETRY_SECONDS: Final = 0.5


class ListFollower:
    """Keeps `members` at the last change that is committed: `load` once, then `run` while orders are decided.

    Changes are applied on the event loop, whole and in ascending order, so each is in force from one order on. While
    the database is unavailable the members stay as they are; `age` says for how long.
    """

    def __init__(
        self,
        database_url: str,
        members: ListMembers,
        *,
        poll_seconds: float = POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database_url = database_url
        self.members = members
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._read_at = clock()
        self._notified = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._outage = OutageLog("lists")

    @property
    def age(self) -> float:
        """Seconds since the lists were last known to be complete."""
        return self._clock() - self._read_at

    async def load(self, *rulesets: Ruleset) -> None:
        """Read all members, and create the lists that rulesets declare and that do not exist.

        Raises DependencyUnavailableError; RulesetError for a declared list that exists with another kind or field.
        """
        with errors_as_unavailable():
            async with self._connected() as connection:
                await _create_declared(connection, *rulesets)
                asked_at = self._clock()
                number, entries = await read_members(connection)
        self.members.load(number, entries)
        self._read_at = asked_at
        log.info("lists_loaded", change=number, entries=len(entries))

    async def declare(self, *rulesets: Ruleset) -> None:
        """Create the lists that rulesets declare and that do not exist; `load` says what it raises."""
        if not any(ruleset.schema.lists for ruleset in rulesets):
            return
        with errors_as_unavailable():
            async with self._connected() as connection:
                await _create_declared(connection, *rulesets)

    async def run(self) -> None:
        """Apply changes as they are committed, until it is cancelled."""
        while True:
            try:
                await self._follow()
            except DATABASE_ERRORS as error:
                self._outage.failed(f"{type(error).__name__}: {error}", change=self.members.number)
            await asyncio.sleep(RETRY_SECONDS)

    async def disconnect(self) -> None:
        """Close the connection; a new one is made as after a loss."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _follow(self) -> None:
        async with self._connected() as connection:
            self._connection = connection
            await connection.add_listener(LISTS_CHANNEL, lambda *_: self._notified.set())
            connection.add_termination_listener(lambda _: self._notified.set())
            while True:
                self._notified.clear()
                asked_at = self._clock()
                for number, entries in await read_changes(connection, self.members.number):
                    self.members.apply(number, entries)
                self._read_at = asked_at
                self._outage.succeeded(change=self.members.number)
                try:
                    async with asyncio.timeout(self._poll_seconds):
                        await self._notified.wait()
                except TimeoutError:
                    continue

    def _connected(self) -> AbstractAsyncContextManager[asyncpg.Connection[asyncpg.Record]]:
        return connected(self._database_url, "fraud-detector lists")


async def _create_declared(connection: asyncpg.Connection[asyncpg.Record], *rulesets: Ruleset) -> None:
    declared = [(each, ruleset.version) for ruleset in rulesets for each in ruleset.schema.lists.values()]
    for each, version in declared:
        try:
            await create_list(connection, ListSpec(each.name, each.kind, each.field), f"ruleset {version}")
        except OtherListError as error:
            raise RulesetError(f"the ruleset declares a list that exists as another one: {error}") from error
