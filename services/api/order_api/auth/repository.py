"""SQL about keys and sessions."""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, cast

import asyncpg

from order_api.kit.database import Database

MAX_SESSIONS: Final = 50
"""Sessions of one key; a further one ends the oldest."""


class Found(NamedTuple):
    """A valid key, or a valid session of one: `expires_at` is its own end, and `seconds_left` are those until then.

    What does not expire has None.
    """

    key_id: str
    name: str
    role: str
    scopes: Sequence[str] | None
    key_expires_at: datetime | None
    expires_at: datetime | None
    seconds_left: float | None


# A key's last use is noted to the minute, which costs a write a minute.
_FIND_KEY: Final = """
    select key_id, name, role, scopes, expires_at, expires_at,
        extract(epoch from expires_at - now())::float8 as seconds_left,
        coalesce(last_used_at < now() - interval '1 minute', true) as is_note_due
    from api_keys
    where key_hash = $1 and revoked_at is null and (expires_at > now()) is not false
"""
_NOTE_USE: Final = "update api_keys set last_used_at = now() where key_id = $1"
KEY_IS_VALID: Final = "select exists (select from api_keys where key_id = $1 and revoked_at is null)"
INSERT_KEY: Final = """
    insert into api_keys (key_id, name, role, key_hash, expires_at, scopes) values ($1, $2, $3, $4, $5, $6)
    returning created_at
"""
LIST_KEYS: Final = """
    select key_id, name, role, created_at, last_used_at, revoked_at, expires_at, scopes, kind
    from api_keys
    order by created_at, key_id
"""
# Those that are valid first, of these the newest first.
NEWEST_KEYS: Final = """
    select key_id, name, role, created_at, last_used_at, revoked_at, expires_at, scopes, kind
    from api_keys
    order by (revoked_at is null and (expires_at > now()) is not false) desc, created_at desc, key_id
    limit $1
"""
REVOKE_KEY: Final = "update api_keys set revoked_at = now() where key_id = $1 and revoked_at is null returning key_id"


async def find_key(database: Database, key_hash: bytes) -> Found | None:
    """The valid key with this hash; notes that it is used."""
    record = await database.fetchrow(_FIND_KEY, key_hash)
    if record is None:
        return None
    *found, is_note_due = record
    if is_note_due:
        with contextlib.suppress(asyncpg.ReadOnlySQLTransactionError):  # a standby serves just the same
            await database.fetchrow(_NOTE_USE, record["key_id"])
    return Found(*found)


# Those that ended, and the one that this one replaces, are deleted on the way; so are the oldest of too many. A session
# ends with its key.
_OPEN_SESSION: Final = """
    with ended as (delete from api_sessions where expires_at <= now() or (token_hash = $4 and key_id = $2)),
    surplus as (
        delete from api_sessions
        where token_hash in (
            select token_hash from api_sessions where key_id = $2 order by created_at desc, token_hash offset $5
        )
    )
    insert into api_sessions (token_hash, key_id, expires_at)
    select $1, key_id, least(now() + $3, expires_at) from api_keys where key_id = $2
    returning expires_at
"""
_FIND_SESSION: Final = """
    select key_id, name, role, scopes, key.expires_at, session.expires_at,
        extract(epoch from session.expires_at - now())::float8
    from api_sessions as session join api_keys as key using (key_id)
    where token_hash = $1 and session.expires_at > now() and revoked_at is null
        and (key.expires_at > now()) is not false
"""
_CLOSE_SESSION: Final = "delete from api_sessions where token_hash = $1 and key_id = $2"


async def open_session(
    database: Database,
    token_hash: bytes,
    key_id: str,
    lifetime: timedelta,
    replaced: bytes | None,
    *,
    max_sessions: int = MAX_SESSIONS,
) -> datetime:
    """Store a session of a key, in place of the one with hash `replaced`; returns when it ends."""
    record = await database.fetchrow(_OPEN_SESSION, token_hash, key_id, lifetime, replaced, max_sessions - 1)
    assert record is not None, "keys are never deleted"
    return cast("datetime", record["expires_at"])


async def find_session(database: Database, token_hash: bytes) -> Found | None:
    """The session with this hash, while it and its key are valid."""
    record = await database.fetchrow(_FIND_SESSION, token_hash)
    return None if record is None else Found(*record)


async def close_session(database: Database, token_hash: bytes, key_id: str) -> None:
    """End a session of a key."""
    await database.fetchrow(_CLOSE_SESSION, token_hash, key_id)


# A person who was revoked and is added again is valid again.
UPDATE_PERSON: Final = """
    update api_keys set role = $2, revoked_at = null
    where key_id = (select key_id from api_keys where kind = 'person' and name = $1 order by created_at limit 1)
    returning key_id
"""
INSERT_PERSON: Final = """
    insert into api_keys (key_id, name, role, kind) values ($1, $2, $3, 'person') returning key_id
"""
# A person of an identity provider has the name and role that it says; one who was revoked here stays so.
UPDATE_SUBJECT: Final = """
    update api_keys set name = $2, role = $3 where subject = $1 and revoked_at is null returning key_id
"""
INSERT_SUBJECT: Final = """
    insert into api_keys (key_id, subject, name, role, kind) values ($1, $2, $3, $4, 'person')
    on conflict (subject) do nothing returning key_id
"""
INSERT_CODE: Final = """
    with ended as (delete from sign_in_codes where expires_at <= now())
    insert into sign_in_codes (code_hash, key_id, expires_at) values ($1, $2, now() + $3) returning expires_at
"""
REDEEM_CODE: Final = """
    with redeemed as (delete from sign_in_codes where code_hash = $1 returning key_id, expires_at)
    select key_id from redeemed join api_keys using (key_id)
    where redeemed.expires_at > now() and revoked_at is null and (api_keys.expires_at > now()) is not false
"""
