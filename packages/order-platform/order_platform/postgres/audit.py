"""The audit log: who changed lists, labels, rulesets, reviews and notes, and why.

Entries are added, and neither changed nor deleted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from order_platform.postgres.sql_builder import QueryArguments, QueryExecutor


class SubjectKind(StrEnum):
    """What an entry of the audit log is about; with it, `subject_id` names one thing."""

    LIST = "list"
    SNOOZE = "snooze"
    """`subject_id` is the rule's id."""
    LABEL = "label"
    """`subject_id` is the order's id."""
    RULESET = "ruleset"
    """`subject_id` is the version."""
    REVIEW = "review"
    """Reviews that were opened together; `subject_id` is the version of the ruleset that flags the orders.

    Of one that is escalated, or whose claim is ended by another person, it is the order's id.
    """
    REVIEW_ROUTES = "review-routes"
    """All routes of the review queue; `subject_id` is `all`."""
    REVIEW_QUEUE = "review-queue"
    """Open reviews of a queue that another one got; `subject_id` is the queue that they left."""
    PERSON = "person"
    """A person or key; `subject_id` is its id."""
    NOTE = "note"
    """`subject_id` is the note's id."""


class AuditRecord(NamedTuple):
    """A change to record. `before` and `after` are what changed, as JSON; None for what did not exist."""

    actor: str
    action: str
    subject_kind: SubjectKind
    subject_id: str
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the audit log; a later one has a larger id, apart from those that are written at the same time."""

    id: int
    at: datetime
    actor: str
    action: str
    subject_kind: str
    subject_id: str
    reason: str | None
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilters:
    """AND-combined filters; None means not filtered."""

    actor: str | None = None
    action: str | None = None
    subject_kind: SubjectKind | None = None
    subject_id: str | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


_INSERT: Final = """
    insert into audit_log (actor, action, subject_kind, subject_id, reason, before, after)
    values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb)"""
_CONDITIONS: Final = {
    "actor": "actor = {}",
    "action": "action = {}",
    "subject_kind": "subject_kind = {}",
    "subject_id": "subject_id = {}",
    "recorded_from": "at >= {}",
    "recorded_to": "at < {}",
}
_COLUMNS: Final = "id, at, actor, action, subject_kind, subject_id, reason, before::text, after::text"


async def record_audit(connection: QueryExecutor, record: AuditRecord) -> None:
    """Add an entry, in the transaction of `connection` that makes the change: there is never one without the other."""
    await connection.fetch(_INSERT, *record[:5], _encode(record.before), _encode(record.after))


async def list_audit(
    database: QueryExecutor, filters: AuditFilters, before_id: int | None, count: int
) -> Sequence[AuditEntry]:
    """Up to `count` entries, newest first, of those with a smaller id than `before_id`."""
    arguments = QueryArguments()
    conditions = arguments.conditions(filters, _CONDITIONS)
    if before_id is not None:
        conditions.append(f"id < {arguments.add(before_id)}")
    where = f"where {' and '.join(conditions)}" if conditions else ""
    rows = await database.fetch(
        f"select {_COLUMNS} from audit_log {where} order by id desc limit {count:d}",  # noqa: S608  (our own names)
        *arguments.values,
    )
    return [AuditEntry(**{**row, "before": _decode(row["before"]), "after": _decode(row["after"])}) for row in rows]


def _encode(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, default=_as_text)


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be recorded in the audit log")


def _decode(text: str | None) -> Any:
    return None if text is None else json.loads(text)
