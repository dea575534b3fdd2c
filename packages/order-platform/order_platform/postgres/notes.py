"""Notes that people write about orders, users and what orders share: added, and neither changed nor deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.sql_builder import QueryExecutor

MAX_NOTE_LENGTH: Final = 2_000


class NoteSubject(StrEnum):
    """What a note is about; `subject_id` names one."""

    ORDER = "order"
    USER = "user"
    DEVICE = "device"
    ADDRESS = "address"
    """An IP address."""
    VOUCHER = "voucher"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Note:
    """A note; a later one has a larger id."""

    id: int
    subject_kind: str
    subject_id: str
    author: str
    written_at: datetime
    text: str


_COLUMNS: Final = "id, subject_kind, subject_id, author, written_at, text"
_INSERT: Final = f"""
    insert into notes (subject_kind, subject_id, author, text) values ($1, $2, $3, $4) returning {_COLUMNS}
"""  # noqa: S608  (our own names)
_LIST: Final = f"""
    select {_COLUMNS} from notes
    where subject_kind = $1 and subject_id = $2 and ($3::bigint is null or id < $3)
    order by id desc limit $4
"""  # noqa: S608


async def add_note(
    connection: QueryExecutor, subject_kind: NoteSubject, subject_id: str, *, author: str, text: str
) -> Note:
    """Add a note, in the transaction of `connection`; the audit log says so without the text, which can be erased."""
    row = await connection.fetchrow(_INSERT, subject_kind, subject_id, author, text)
    assert row is not None, "an insert returns its row"
    note = Note(**row)
    after = {"subject_kind": subject_kind, "subject_id": subject_id}
    await record_audit(connection, AuditRecord(author, "add", SubjectKind.NOTE, str(note.id), after=after))
    return note


async def list_notes(
    database: QueryExecutor, subject_kind: NoteSubject, subject_id: str, before_id: int | None, count: int
) -> Sequence[Note]:
    """Up to `count` notes about a subject, newest first, of those with a smaller id than `before_id`."""
    return [Note(**row) for row in await database.fetch(_LIST, subject_kind, subject_id, before_id, count)]
