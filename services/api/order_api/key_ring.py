"""On whose behalf a request comes, without asking the database at every one."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import NamedTuple

from order_api.keys import Role, hash_key, looks_like_key

# How long a revoked key may still be let in; within it a key costs no query.
REMEMBERED_SECONDS = 5.0
MAX_REMEMBERED = 1000


class Principal(NamedTuple):
    """Whose key it is, and until when the session lasts that stands for it (None for the key itself)."""

    key_id: str
    role: Role
    session_ends: datetime | None = None


FindKey = Callable[[bytes], Coroutine[None, None, Principal | None]]
"""The principal of the valid key with this hash."""


class KeyRing:
    """Finds the principal of a key, or of a session's token, by its hash, and remembers it for a moment.

    Unknown keys are not remembered: a key works from the moment it is made.
    """

    def __init__(
        self,
        find: FindKey,
        clock: Callable[[], float] = time.monotonic,
        looks_right: Callable[[str], bool] = looks_like_key,
    ) -> None:
        self._find = find
        self._clock = clock
        self._looks_right = looks_right
        self._remembered: dict[bytes, tuple[Principal, float]] = {}
        self._asking: dict[bytes, asyncio.Task[Principal | None]] = {}

    def is_guess(self, key: str) -> bool:
        """Whether `key` may be a guess: it has a key's form, and was not valid when it was last looked up."""
        return self._looks_right(key) and hash_key(key) not in self._remembered

    def remembers(self, key: str) -> bool:
        """Whether `key` was valid when it was last looked up."""
        return self._looks_right(key) and hash_key(key) in self._remembered

    async def principal(self, key: str) -> Principal | None:
        """The principal, or None when the key is unknown or revoked."""
        if not self._looks_right(key):
            return None
        key_hash = hash_key(key)
        remembered = self._remembered.get(key_hash)
        if remembered is not None and self._clock() < remembered[1]:
            return remembered[0]
        asked = self._clock()
        principal = await self._ask(key_hash)
        self._remembered.pop(key_hash, None)
        if principal is not None:
            while len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[key_hash] = principal, asked + REMEMBERED_SECONDS
        return principal

    def forget(self, key: str) -> None:
        """Look `key` up again next time."""
        self._remembered.pop(hash_key(key), None)

    async def _ask(self, key_hash: bytes) -> Principal | None:
        """One query for all requests with this key that arrive meanwhile."""
        asking = self._asking.get(key_hash)
        if asking is None:
            asking = self._asking[key_hash] = asyncio.create_task(self._find(key_hash))
            asking.add_done_callback(lambda _: self._asking.pop(key_hash, None))
        return await asyncio.shield(asking)
