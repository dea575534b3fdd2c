"""Managing API keys: the database that stores them, and the caches of which they are removed."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends

from order_api.auth import people
from order_api.auth.credential_cache import CredentialCache, Principal
from order_api.auth.keys import KeyEntry, Role, newest_keys, revoke_key
from order_api.auth.people import Person
from order_api.http.problems.resources import KeyUnknown
from order_api.kit.database import Database
from order_api.kit.registry import Provider
from order_platform.postgres.audit import AuditRecord, SubjectKind, record_audit

MOST_LISTED: Final = 1000


@dataclass(slots=True)
class KeyService:
    """Lists and revokes keys."""

    database: Database
    keys: CredentialCache
    sessions: CredentialCache
    most_listed: int = MOST_LISTED

    async def list_keys(self) -> list[KeyEntry]:
        """Keys, valid ones first, of these the newest first."""
        return await newest_keys(self.database, self.most_listed)

    async def invite(self, name: str, role: Role, by: Principal) -> tuple[Person, str]:
        """A person, added when they are new, and a code that signs them in once; recorded in the audit log.

        Raises ValueError, which says what to write, for an invalid name.
        """
        async with self.database.connection() as connection, connection.transaction():
            person, code = await people.invite(connection, name, role)
            change = {"name": name, "role": role}
            await record_audit(
                connection, AuditRecord(by.author, "invite", SubjectKind.PERSON, person.key_id, None, None, change)
            )
        self.sessions.forget_key(person.key_id)  # the role may be another one
        return person, code

    async def revoke(self, key_id: str, by: Principal) -> None:
        """Revoke a key, or end a person's access; recorded in the audit log. Raises KeyUnknown."""
        async with self.database.connection() as connection, connection.transaction():
            if not await revoke_key(connection, key_id):
                raise KeyUnknown(key_id)
            await record_audit(connection, AuditRecord(by.author, "revoke", SubjectKind.PERSON, key_id))
        # After it is stored; other processes are notified by the database.
        self.keys.forget_key(key_id)
        self.sessions.forget_key(key_id)


Keys = Annotated[KeyService, Depends(Provider(KeyService))]
