"""Opening and closing sessions of API keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends

from order_api.auth import repository
from order_api.auth.credential_cache import CredentialCache
from order_api.auth.keys import Role, hash_key
from order_api.auth.people import find_or_add_subject, redeem_sign_in_code
from order_api.auth.sessions import CookieSettings, looks_like_token, new_token
from order_api.kit.database import Database
from order_api.kit.registry import Provider
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit


@dataclass(slots=True)
class SessionService:
    """Stores sessions, and removes those that ended from the cache."""

    database: Database
    cache: CredentialCache
    cookies: CookieSettings
    max_sessions: int = repository.MAX_SESSIONS

    async def open(self, key_id: str, replaced_token: str | None) -> tuple[str, datetime]:
        """A new session of a key, in place of another one: its token, and when it ends."""
        token = new_token()
        replaced = None
        if replaced_token is not None and looks_like_token(replaced_token):
            replaced = hash_key(replaced_token)
        expires_at = await repository.open_session(
            self.database,
            hash_key(token),
            key_id,
            timedelta(hours=self.cookies.hours),
            replaced,
            max_sessions=self.max_sessions,
        )
        if replaced is not None:
            self.cache.forget(replaced)
        return token, expires_at

    async def redeem(self, code: str) -> str | None:
        """Use up a sign-in code; returns its person's key_id, or None when it is not valid."""
        return await redeem_sign_in_code(self.database, code)

    async def find_subject(self, subject: str, name: str, role: Role) -> str | None:
        """The key_id of a person of an identity provider, added when they are new; None for one who was revoked."""
        async with self.database.connection() as connection, connection.transaction():
            found = await find_or_add_subject(connection, subject, name, role)
            if found is None:
                return None
            person, is_new = found
            if is_new:
                change = {"name": person.name, "role": role, "subject": subject}
                record = AuditRecord(subject, "sign-in", SubjectKind.PERSON, person.key_id, None, None, change)
                await record_audit(connection, record)
        self.cache.forget_key(person.key_id)  # the role may be another one
        return person.key_id

    async def close(self, key_id: str, token: str) -> None:
        """End a session of a key."""
        await repository.close_session(self.database, hash_key(token), key_id)
        # After the end is stored: what was looked up before must not be taken for valid.
        self.cache.forget(hash_key(token))


Sessions = Annotated[SessionService, Depends(Provider(SessionService))]
