"""Managing API keys: the database that stores them, and the caches of which they are removed."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends

from order_api.auth.credential_cache import CredentialCache
from order_api.auth.keys import KeyEntry, newest_keys, revoke_key
from order_api.http.problems.resources import KeyUnknown
from order_api.kit.database import Database
from order_api.kit.registry import Provider

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

    async def revoke(self, key_id: str) -> None:
        """Revoke a key. Raises KeyUnknown."""
        if not await revoke_key(self.database, key_id):
            raise KeyUnknown(key_id)
        # After it is stored; other processes are notified by the database.
        self.keys.forget_key(key_id)
        self.sessions.forget_key(key_id)


Keys = Annotated[KeyService, Depends(Provider(KeyService))]
