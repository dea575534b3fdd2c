"""The audit log: entries belong to the transaction of the change, and stay as they were added."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from order_platform.postgres.audit import AuditFilters, AuditRecord, SubjectKind, list_audit, record_audit

pytestmark = pytest.mark.integration
EXPIRES = datetime(2026, 12, 1, tzinfo=UTC)
ADDED = AuditRecord(
    "ana@host", "add", SubjectKind.LIST, "blocked_devices", "fraud ring", None, {"values": ["d-1"], "at": EXPIRES}
)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_an_entry_has_what_was_changed_and_why(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await record_audit(connection, ADDED)
    await record_audit(connection, ADDED._replace(action="remove", before={"values": ["d-1"]}, after=None, reason=None))
    removed, added = await list_audit(connection, AuditFilters(), None, 10)
    assert (added.actor, added.action, added.subject_kind, added.subject_id, added.reason, added.before) == ADDED[:6]
    assert added.after == {"values": ["d-1"], "at": EXPIRES.isoformat()}
    assert (removed.before, removed.after, removed.reason) == ({"values": ["d-1"]}, None, None)
    assert removed.id > added.id
    assert removed.at >= added.at


async def test_an_entry_is_rolled_back_with_its_change(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    transaction = connection.transaction()
    await transaction.start()
    await record_audit(connection, ADDED)
    await transaction.rollback()
    assert await list_audit(connection, AuditFilters(), None, 10) == []


async def test_pages_and_filters(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for number in range(5):
        await record_audit(connection, ADDED._replace(actor=f"user-{number % 2}", subject_id=f"list-{number}"))
    entries = await list_audit(connection, AuditFilters(), None, 3)
    later = await list_audit(connection, AuditFilters(), entries[-1].id, 3)
    assert [entry.subject_id for entry in [*entries, *later]] == [f"list-{number}" for number in (4, 3, 2, 1, 0)]
    for filters, count in (
        (AuditFilters(actor="user-1"), 2),
        (AuditFilters(action="remove"), 0),
        (AuditFilters(subject_kind=SubjectKind.LIST, subject_id="list-3"), 1),
        (AuditFilters(subject_kind=SubjectKind.LABEL), 0),
        (AuditFilters(recorded_from=entries[1].at, recorded_to=entries[0].at), 1),
    ):
        assert len(await list_audit(connection, filters, None, 10)) == count, filters


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_log set actor = 'another'",
        "update audit_log set actor = 'another' where false",
        "delete from audit_log",
        "truncate audit_log",
    ],
)
async def test_entries_are_neither_changed_nor_deleted(
    connection: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    """Not even by the superuser, as which this test is connected."""
    await record_audit(connection, ADDED)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="takes new entries only"):
        await connection.execute(statement)
    (entry,) = await list_audit(connection, AuditFilters(), None, 10)
    assert entry.actor == ADDED.actor
