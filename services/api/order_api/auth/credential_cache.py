"""Cache of the look-ups of keys and sessions, valid for 5 s or until a notification that one has ended."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from order_api.auth.keys import Role, Scope, hash_key, looks_like_key
from order_api.auth.repository import Found

# Within it a key costs no query. So long may a revoked key still be let in where notifications do not arrive.
CACHE_SECONDS: Final = 5.0
MAX_ENTRIES: Final = 1000

log = structlog.get_logger(__name__)


class Principal(NamedTuple):
    """The API key of a request, or of its session.

    `expires_at` is the end of the session, or of the key; `seconds_left` are those until then when it was looked up.
    """

    key_id: str
    name: str
    role: Role
    expires_at: datetime | None = None
    scopes: frozenset[Scope] | None = None
    seconds_left: float | None = None
    key_expires_at: datetime | None = None

    @property
    def author(self) -> str:
        """Who has the key, as labels, notes and the audit log name them: by its name and id."""
        return f"{self.name} ({self.key_id})"

    def has_scope(self, scope: Scope | None) -> bool:
        """Whether the key is for this part of the API; a key without scopes is for all of it."""
        return scope is None or self.scopes is None or scope in self.scopes


def make_principal(found: Found) -> Principal:
    """The principal of a key or session as it is stored."""
    scopes = None if found.scopes is None else frozenset(map(Scope, found.scopes))
    return Principal(
        found.key_id,
        found.name,
        Role(found.role),
        found.expires_at,
        scopes,
        found.seconds_left,
        found.key_expires_at,
    )


FindKey = Callable[[bytes], Coroutine[None, None, Principal | None]]
"""The principal of the valid key with this hash."""


class CredentialCache:
    """Finds the principal of a key, or of a session's token, by its hash, and keeps it for a moment.

    Unknown keys are not kept: a key works from the moment it is made.
    """

    def __init__(
        self,
        find: FindKey,
        clock: Callable[[], float] = time.monotonic,
        is_well_formed: Callable[[str], bool] = looks_like_key,
        *,
        seconds: float = CACHE_SECONDS,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self.seconds = seconds
        self._find = find
        self._clock = clock
        self._is_well_formed = is_well_formed
        self._max_entries = max_entries
        self._cached: dict[bytes, tuple[Principal, float]] = {}
        self._queries: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._changes = 0

    def is_guess(self, key: str) -> bool:
        """Whether `key` may be a guess: it has a key's form, and was not valid when it was last looked up."""
        return self._is_well_formed(key) and hash_key(key) not in self._cached

    def has(self, key: str) -> bool:
        """Whether `key` was valid when it was last looked up."""
        return self._is_well_formed(key) and hash_key(key) in self._cached

    async def find_principal(self, key: str) -> Principal | None:
        """The principal, or None when the key is unknown or revoked."""
        if not self._is_well_formed(key):
            return None
        key_hash = hash_key(key)
        cached = self._cached.get(key_hash)
        if cached is not None and self._clock() < cached[1]:
            return cached[0]
        started, changes = self._clock(), self._changes
        principal = await self._query(key_hash)
        self._cached.pop(key_hash, None)
        if principal is not None:
            while len(self._cached) >= self._max_entries:
                del self._cached[next(iter(self._cached))]
            left = self.seconds if principal.seconds_left is None else principal.seconds_left
            # What was looked up while something ended may be from before: the next request looks it up again.
            until = started + min(self.seconds, left) if changes == self._changes else -math.inf
            self._cached[key_hash] = principal, until
        return principal

    def forget(self, key_hash: bytes) -> None:
        """Look it up again from now on; to be called after the end of a key or session is stored."""
        self._changes += 1
        self._cached.pop(key_hash, None)
        self._queries.pop(key_hash, None)

    def forget_key(self, key_id: str) -> None:
        """The same for everything that is on behalf of a key."""
        self._changes += 1
        self._queries.clear()
        for key_hash in [key_hash for key_hash, (found, _) in self._cached.items() if found.key_id == key_id]:
            del self._cached[key_hash]

    def forget_all(self) -> None:
        """Look everything up again, when something may have ended unnoticed; all still count as recently valid."""
        self._changes += 1
        self._queries.clear()
        for key_hash, (found, _) in self._cached.items():
            self._cached[key_hash] = found, -math.inf

    async def _query(self, key_hash: bytes) -> Principal | None:
        """One query for all requests with this key that arrive in the meantime."""
        query = self._queries.get(key_hash)
        if query is None:
            query = self._queries[key_hash] = asyncio.create_task(self._find(key_hash))
            query.add_done_callback(lambda done: self._forget_query(key_hash, done))
        return await asyncio.shield(query)

    def _forget_query(self, key_hash: bytes, query: "asyncio.Task[Principal | None]") -> None:
        if self._queries.get(key_hash) is query:
            del self._queries[key_hash]


class CredentialInvalidator:
    """Invalidates keys and sessions that have ended, and has streams check whether they are still permitted."""

    def __init__(self, keys: CredentialCache, sessions: CredentialCache, recheck_streams: Callable[[], None]) -> None:
        self._keys = keys
        self._sessions = sessions
        self._recheck_streams = recheck_streams

    def on_notify(self, notification: str) -> None:
        """Handle a notification of channel `credentials`."""
        kind, _, name = notification.partition(" ")
        if kind == "key":
            self._keys.forget_key(name)
            self._sessions.forget_key(name)
        elif kind == "session":
            self._sessions.forget(bytes.fromhex(name))
        else:
            log.warning("notification_unknown", kind=kind[:20])
            self.invalidate_all()
            return
        self._recheck_streams()

    def invalidate_all(self) -> None:
        """Look everything up again: notifications may have been missed."""
        self._keys.forget_all()
        self._sessions.forget_all()
        self._recheck_streams()
