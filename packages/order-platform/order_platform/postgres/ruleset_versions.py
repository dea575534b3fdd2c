"""Ruleset versions and which of them is active, in tables `rulesets` and `ruleset_activations`.

A version is stored once and never changes. Activations are only appended: the newest one is the pointer, which says
which version is active and, during a roll-out, which candidate decides the orders of how many users. The others say
what was active when. Each is recorded in the audit log, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import asyncpg

from order_contract.advisory_locks import AdvisoryLock
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.sql_builder import QueryExecutor

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

# Activations happen one after the other.
_LOCK = f"select pg_advisory_xact_lock({AdvisoryLock.RULESETS:d})"
_POINTER = "select version, candidate, percent, salt from ruleset_activations order by activation desc limit 1"
_CONTENT = "select content from rulesets where version = $1"
_RECORD = "insert into rulesets (version, content) values ($1, $2) on conflict (version) do nothing"
_ACTIVATE = """
    insert into ruleset_activations (version, candidate, percent, salt, action, author, message)
    values ($1, $2, $3, $4, $5, $6, $7)
"""
_NEWEST = """
    select version, candidate, percent, salt, action, author, message, activated_at from ruleset_activations
    order by activation desc limit $1
"""
_ACTIVATED = """
    select version from ruleset_activations where starts_with(version, $1)
    group by version order by max(activation) desc limit $2
"""
_FIND = """
    select version from (
        select version, activation from ruleset_activations
        union all select candidate, activation from ruleset_activations where candidate is not null
    ) as used
    where starts_with(version, $1) group by version order by max(activation) desc limit $2
"""


class Action(StrEnum):
    """How a version became active."""

    INITIAL = "initial"
    """By a detector that found no active version: the default ruleset."""
    PUBLISH = "publish"
    ROLLBACK = "rollback"
    ROLLOUT = "rollout"
    """A candidate beside the active version, or another percentage of it."""


class RolloutError(Exception):
    """A roll-out that cannot be; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A pointer that became active: how, by whom, why and when."""

    pointer: RulesetPointer
    action: Action
    author: str
    message: str | None
    activated_at: datetime

    @property
    def version(self) -> str:
        """The active version."""
        return self.pointer.version


async def read_pointer(database: QueryExecutor) -> RulesetPointer | None:
    """What is active; None before the first activation."""
    row = await database.fetchrow(_POINTER)
    return None if row is None else RulesetPointer(*row.values())


async def read_active_version(database: QueryExecutor) -> str | None:
    """The active version, during a roll-out the stable one; None before the first activation."""
    pointer = await read_pointer(database)
    return None if pointer is None else pointer.version


async def read_content(database: QueryExecutor, version: str) -> str | None:
    """The content of a version: the YAML of a ruleset with what it includes. None when it is not stored."""
    row = await database.fetchrow(_CONTENT, version)
    return None if row is None else str(row["content"])


async def read_activations(database: QueryExecutor, most: int) -> Sequence[Activation]:
    """The newest activations, newest first."""
    return [
        Activation(RulesetPointer(*pointer), Action(action), author, message, activated_at)
        for *pointer, action, author, message, activated_at in await database.fetch(_NEWEST, most)
    ]


async def find_versions(database: QueryExecutor, prefix: str, most: int = 10) -> Sequence[str]:
    """The versions that begin so and were active or a candidate at some time, the latest first."""
    return [row["version"] for row in await database.fetch(_FIND, prefix, most)]


async def find_activated(database: QueryExecutor, prefix: str, most: int = 10) -> Sequence[str]:
    """The versions that begin so and were active at some time, the latest first."""
    return [row["version"] for row in await database.fetch(_ACTIVATED, prefix, most)]


async def record_ruleset(connection: Connection, version: str, content: str) -> None:
    """Store a version, before anything is decided by it."""
    await connection.execute(_RECORD, version, content)


async def activate(
    connection: Connection,
    version: str,
    content: str,
    *,
    action: Action,
    author: str,
    message: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> RulesetPointer | None:
    """Store a version and make it the active one, for all users; returns what was active before.

    Nothing changes when that is the same, nor by an INITIAL activation when there is an active version.
    `evidence` is what was checked before, for the audit log.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        before = await read_pointer(connection)
        if before != RulesetPointer(version) and (before is None or action is not Action.INITIAL):
            await record_ruleset(connection, version, content)
            await _append(
                connection,
                before,
                RulesetPointer(version),
                action=action,
                author=author,
                message=message,
                evidence=evidence,
            )
    return before


async def roll_out(
    connection: Connection,
    version: str,
    content: str,
    percent: int,
    *,
    author: str,
    message: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> tuple[RulesetPointer, RulesetPointer]:
    """Store a version, and let it decide the orders of 1 to 99 percent of the users; returns what was and is active.

    The users depend on the version alone: each is always on the same side of a percentage, and a higher one only adds
    users. Another candidate takes the place of the present one. Nothing changes when it is rolled out so already.
    Raises RolloutError without an active version, and for the active one.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        before = await read_pointer(connection)
        if before is None:
            raise RolloutError("no version is active yet, beside which another one could be rolled out; publish one")
        if before.version == version:
            raise RolloutError(f"version {version} is active for all users that no candidate decides; name another one")
        after = RulesetPointer(before.version, version, percent, version)
        if after != before:
            await record_ruleset(connection, version, content)
            await _append(
                connection, before, after, action=Action.ROLLOUT, author=author, message=message, evidence=evidence
            )
    return before, after


async def _append(
    connection: Connection,
    before: RulesetPointer | None,
    after: RulesetPointer,
    *,
    action: Action,
    author: str,
    message: str | None,
    evidence: Mapping[str, Any] | None,
) -> None:
    await connection.execute(_ACTIVATE, *after, action, author, message)
    await record_audit(
        connection,
        AuditRecord(
            author,
            action,
            SubjectKind.RULESET,
            after.candidate or after.version,
            message,
            before=None if before is None else before.as_document(),
            after={**after.as_document(), **(evidence or {})},
        ),
    )
