"""The active ruleset version in Postgres, as a detector reads it: at its start, and whenever another becomes active."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import asyncpg

from decision_engine.ruleset import Ruleset
from fraud_detector.stream.ports import (
    ActionRequiredError,
    ActiveRulesets,
    DependencyUnavailableError,
    StoredRuleset,
)
from order_contract.notifications import RULESETS_CHANNEL
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.outage_log import OutageLog
from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.postgres.ruleset_versions import Action, activate, read_content, read_pointer

CONNECT_SECONDS: Final = 10.0
CHECK_SECONDS: Final = 1.0
"""How often the pointer is read besides: a notification can be lost with its connection."""


class ActiveRuleset:
    """Reads which version is active, on a connection of its own that listens for activations."""

    def __init__(self, database_url: str, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._database_url = database_url
        self._check_seconds = check_seconds
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._notified = asyncio.Event()
        self._outage = OutageLog("ruleset_versions")

    async def read(self, default: Ruleset) -> ActiveRulesets:
        """What is active; `default` becomes active when none is. Raises DependencyUnavailableError."""
        try:
            connection = await self._connected()
            pointer = await read_pointer(connection)
            if pointer is None:
                author = f"fraud-detector@{socket.gethostname()}"
                before = await activate(
                    connection, default.version, default.content, action=Action.INITIAL, author=author
                )
                pointer = before or RulesetPointer(default.version)
            return await _read(connection, pointer)
        except asyncpg.UndefinedTableError:
            raise ActionRequiredError("the database has no table of ruleset versions; run orderwatch migrate") from None
        except DATABASE_ERRORS as error:
            await self.disconnect()
            raise DependencyUnavailableError(f"{type(error).__name__}: {error}") from error

    async def wait_for_other(self, known: RulesetPointer) -> ActiveRulesets:
        """Wait until the pointer is another one than `known`. Outages are logged, and waited out."""
        while True:
            self._notified.clear()
            try:
                connection = await self._connected()
                pointer = await read_pointer(connection)
                if pointer is not None and pointer != known:
                    return await _read(connection, pointer)
                self._outage.succeeded()
            except DATABASE_ERRORS as error:
                self._outage.failed(error)
                await self.disconnect()
            try:
                async with asyncio.timeout(self._check_seconds):
                    await self._notified.wait()
            except TimeoutError:
                continue

    async def disconnect(self) -> None:
        """Close the connection; the next check makes a new one, when it can."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(
                self._database_url,
                timeout=CONNECT_SECONDS,
                command_timeout=CONNECT_SECONDS,
                server_settings={"application_name": "fraud-detector"},
            )
            await connection.add_listener(RULESETS_CHANNEL, lambda *_: self._notified.set())
            self._connection = connection
        return self._connection


async def _read(connection: asyncpg.Connection[asyncpg.Record], pointer: RulesetPointer) -> ActiveRulesets:
    candidate = None if pointer.candidate is None else await _read_version(connection, pointer.candidate)
    return ActiveRulesets(pointer, await _read_version(connection, pointer.version), candidate)


async def _read_version(connection: asyncpg.Connection[asyncpg.Record], version: str) -> StoredRuleset:
    content = await read_content(connection, version)
    assert content is not None  # activations refer to stored versions
    return StoredRuleset(version, content)
