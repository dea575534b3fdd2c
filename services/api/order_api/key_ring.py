"""Cache of the look-ups of keys and sessions, valid for 5 s or until their end is notified."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import NamedTuple

from order_api.credential_queries import Found
from order_api.keys import Role, Scope, hash_key, looks_like_key

# Within it a key costs no query. So long may a revoked key still be let in where notifications do not arrive.
REMEMBERED_SECONDS = 5.0
MAX_REMEMBERED = 1000


class Principal(NamedTuple):
    """The key that a request comes with, or that its session is on behalf of.

    `expires_at` is the end of the session, or of the key; `seconds_left` are those until then when it was looked up.
    """

    key_id: str
    role: Role
    expires_at: datetime | None = None
    scopes: frozenset[Scope] | None = None
    seconds_left: float | None = None
    key_expires_at: datetime | None = None

    def has_scope(self, scope: Scope | None) -> bool:
        """Whether the key is for this part of the API; a key without scopes is for all of it."""
        return scope is None or self.scopes is None or scope in self.scopes


def principal_of(found: Found) -> Principal:
    """The principal of a key or session as it is stored."""
    scopes = None if found.scopes is None else frozenset(map(Scope, found.scopes))
    return Principal(found.key_id, Role(found.role), found.expires_at, scopes, found.seconds_left, found.key_expires_at)


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
        self._changes = 0

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
        asked, changes = self._clock(), self._changes
        principal = await self._ask(key_hash)
        self._remembered.pop(key_hash, None)
        if principal is not None:
            while len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            left = REMEMBERED_SECONDS if principal.seconds_left is None else principal.seconds_left
            # What was looked up while something ended may be from before: the next request looks it up again.
            until = asked + min(REMEMBERED_SECONDS, left) if changes == self._changes else -math.inf
            self._remembered[key_hash] = principal, until
        return principal

    def forget(self, key_hash: bytes) -> None:
        """Look it up again from now on; to be called after the end of a key or session is stored."""
        self._changes += 1
        self._remembered.pop(key_hash, None)
        self._asking.pop(key_hash, None)

    def forget_key(self, key_id: str) -> None:
        """The same for everything that is on behalf of a key."""
        self._changes += 1
        self._asking.clear()
        for key_hash in [key_hash for key_hash, (found, _) in self._remembered.items() if found.key_id == key_id]:
            del self._remembered[key_hash]

    def forget_all(self) -> None:
        """Look everything up again, when something may have ended unnoticed; all still count as valid lately."""
        self._changes += 1
        self._asking.clear()
        for key_hash, (found, _) in self._remembered.items():
            self._remembered[key_hash] = found, -math.inf

    async def _ask(self, key_hash: bytes) -> Principal | None:
        """One query for all requests with this key that arrive meanwhile."""
        asking = self._asking.get(key_hash)
        if asking is None:
            asking = self._asking[key_hash] = asyncio.create_task(self._find(key_hash))
            asking.add_done_callback(lambda done: self._asked(key_hash, done))
        return await asyncio.shield(asking)

    def _asked(self, key_hash: bytes, asking: "asyncio.Task[Principal | None]") -> None:
        if self._asking.get(key_hash) is asking:
            del self._asking[key_hash]
