"""Drafts of rulesets in table `ruleset_drafts`: each has a name, and everyone who changed it is one of its authors.

A second person approves what they have seen; any change ends the approval. Each step is in the audit log.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit
from order_platform.postgres.ruleset_versions import Connection, read_active_version
from order_platform.postgres.sql_builder import QueryExecutor

MOST_DRAFTS: Final = 1_000

_COLUMNS: Final = "name, version, content, base_version, authors, message, updated_at, approved_by, approved_at"
_FIND: Final = f"select {_COLUMNS} from ruleset_drafts where name = $1"  # noqa: S608  (our own names)
_LIST: Final = f"select {_COLUMNS} from ruleset_drafts order by updated_at desc, name limit $1"  # noqa: S608
_PAGE: Final = f"select {_COLUMNS} from ruleset_drafts where name > $1 order by name limit $2"  # noqa: S608
_COUNT: Final = "select count(*) from ruleset_drafts where name <> $1"
_SAVE: Final = f"""
    insert into ruleset_drafts (name, version, content, base_version, authors, message) values ($1, $2, $3, $4, $5, $6)
    on conflict (name) do update set
        version = excluded.version, content = excluded.content, base_version = excluded.base_version,
        authors = excluded.authors, message = excluded.message, updated_at = clock_timestamp(),
        approved_by = null, approved_at = null
    returning {_COLUMNS}
"""  # noqa: S608
_APPROVE: Final = "update ruleset_drafts set approved_by = $2, approved_at = clock_timestamp() where name = $1"
_DELETE: Final = "delete from ruleset_drafts where name = $1"


class DraftError(Exception):
    """What cannot be done with a draft; the text says why."""


class UnknownDraftError(DraftError):
    """The draft does not exist."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft; `base_version` was active when it was changed last, `approved_by` is None until it is approved."""

    name: str
    version: str
    content: str
    base_version: str | None
    authors: Sequence[str]
    message: str | None
    updated_at: datetime
    approved_by: str | None
    approved_at: datetime | None

    def require_version(self, version: str) -> None:
        """Raises DraftError unless the draft's version begins so: it has changed since it was looked at."""
        if not version or not self.version.startswith(version):
            raise DraftError(
                f"draft '{self.name}' is version {self.version} now, not '{version[:64]}'; look at it again"
            )


def draft_document(draft: Draft) -> dict[str, Any]:
    """A draft without its content, by the names of its fields."""
    document = asdict(draft)
    del document["content"]
    return document


async def find_draft(database: QueryExecutor, name: str) -> Draft:
    """The draft of this name. Raises UnknownDraftError when there is none."""
    row = await database.fetchrow(_FIND, name)
    if row is None:
        raise UnknownDraftError(f"no draft is named '{name[:100]}'")
    return Draft(*row.values())


async def list_drafts(database: QueryExecutor, most: int = MOST_DRAFTS) -> Sequence[Draft]:
    """The drafts, those that were changed last first."""
    return [Draft(*row.values()) for row in await database.fetch(_LIST, most)]


async def page_drafts(database: QueryExecutor, after: str, most: int) -> Sequence[Draft]:
    """The drafts whose names come after this one, in the order of their names."""
    return [Draft(*row.values()) for row in await database.fetch(_PAGE, after, most)]


async def save_draft(
    connection: Connection, name: str, version: str, content: str, *, author: str, message: str | None
) -> Draft:
    """Create a draft, or change it: its approval ends, and the author is one of its authors.

    Nothing changes when it has this content already. Raises DraftError when there are too many drafts.
    """
    async with connection.transaction():
        row = await connection.fetchrow(f"{_FIND} for update", name)
        before = None if row is None else Draft(*row.values())
        if before is not None and before.version == version:
            return before
        if await connection.fetchval(_COUNT, name) >= MOST_DRAFTS:
            raise DraftError(f"there are {MOST_DRAFTS:,} drafts already; delete some")
        authors = [*(each for each in (before.authors if before else ()) if each != author), author]
        base = await read_active_version(connection)
        saved = await connection.fetchrow(_SAVE, name, version, content, base, authors, message)
        assert saved is not None  # it was inserted or updated
        await _record(connection, author, "draft", Draft(*saved.values()), message)
        return Draft(*saved.values())


async def approve_draft(connection: Connection, name: str, version: str, *, approver: str) -> Draft:
    """Approve a draft as it was seen: its version begins with `version`.

    Raises DraftError when it has changed since, and for one of its authors.
    """
    async with connection.transaction():
        row = await connection.fetchrow(f"{_FIND} for update", name)
        draft = await find_draft(connection, name) if row is None else Draft(*row.values())
        draft.require_version(version)
        if approver in draft.authors:
            raise DraftError(f"'{approver}' is an author of draft '{name}'; another person approves it")
        await connection.execute(_APPROVE, name, approver)
        await _record(connection, approver, "approve", draft, None)
        return await find_draft(connection, name)


async def delete_draft(connection: Connection, name: str, *, author: str) -> None:
    """Delete a draft. Raises DraftError when there is none."""
    async with connection.transaction():
        draft = await find_draft(connection, name)
        await connection.execute(_DELETE, name)
        await _record(connection, author, "delete-draft", draft, None)


async def _record(connection: Connection, actor: str, action: str, draft: Draft, message: str | None) -> None:
    after = {"draft": draft.name, "base": draft.base_version}
    await record_audit(connection, AuditRecord(actor, action, SubjectKind.RULESET, draft.version, message, after=after))
