"""Ruleset versions and which of them is active, in tables `rulesets` and `ruleset_activations`.

A version is stored once and never changes. Activations are only appended: the newest one says which version is active,
the others which version was active when. Each is recorded in the audit log, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import asyncpg

from order_contract.advisory_locks import AdvisoryLock
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.sql_builder import QueryExecutor

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# Activations happen one after the other.
_LOCK = f"select pg_advisory_xact_lock({AdvisoryLock.RULESETS:d})"
_ACTIVE = "select version from ruleset_activations order by activation desc limit 1"
_CONTENT = "select content from rulesets where version = $1"
_RECORD = "insert into rulesets (version, content) values ($1, $2) on conflict (version) do nothing"
_ACTIVATE = "insert into ruleset_activations (version, action, author, message) values ($1, $2, $3, $4)"
_NEWEST = """
    select version, action, author, message, activated_at from ruleset_activations
    order by activation desc limit $1
"""
_ACTIVATED = """
    select version from ruleset_activations where starts_with(version, $1)
    group by version order by max(activation) desc limit $2
"""


class Action(StrEnum):
    """How a version became active."""

    INITIAL = "initial"
    """By a detector that found no active version: the default ruleset."""
    PUBLISH = "publish"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Activation:
    """A version that became active: how, by whom, why and when."""

    version: str
    action: Action
    author: str
    message: str | None
    activated_at: datetime


async def read_active_version(database: QueryExecutor) -> str | None:
    """The active version; None before the first activation."""
    row = await database.fetchrow(_ACTIVE)
    return None if row is None else str(row["version"])


async def read_content(database: QueryExecutor, version: str) -> str | None:
    """The content of a version: the YAML of a ruleset with what it includes. None when it is not stored."""
    row = await database.fetchrow(_CONTENT, version)
    return None if row is None else str(row["content"])


async def read_activations(database: QueryExecutor, most: int) -> Sequence[Activation]:
    """The newest activations, newest first."""
    return [
        Activation(row["version"], Action(row["action"]), row["author"], row["message"], row["activated_at"])
        for row in await database.fetch(_NEWEST, most)
    ]


async def find_activated(database: QueryExecutor, prefix: str, most: int = 10) -> Sequence[str]:
    """The versions that begin so and were active at some time, the latest first."""
    return [row["version"] for row in await database.fetch(_ACTIVATED, prefix, most)]


async def record_ruleset(connection: Connection, version: str, content: str) -> None:
    """Store a version, before anything is decided by it."""
    await connection.execute(_RECORD, version, content)


async def activate(
    connection: Connection, version: str, content: str, *, action: Action, author: str, message: str | None = None
) -> str | None:
    """Store a version and make it the active one; returns the version that was active before.

    Nothing changes when that is the same one, nor by an INITIAL activation when there is an active version.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        before = await read_active_version(connection)
        if before != version and (before is None or action is not Action.INITIAL):
            await record_ruleset(connection, version, content)
            await connection.execute(_ACTIVATE, version, action, author, message)
            await record_audit(
                connection,
                AuditRecord(
                    author,
                    action,
                    SubjectKind.RULESET,
                    version,
                    message,
                    before={"active": before} if before else None,
                    after={"active": version},
                ),
            )
    return before
