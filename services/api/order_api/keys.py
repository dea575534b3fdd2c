"""API keys: making, listing and revoking them. A key is shown once; only its hash is stored."""

import hashlib
import re
import secrets
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import asyncpg

from order_api import queries

MAX_NAME_LENGTH = 100
# 256 random bits, so a plain hash is safe to store: there is nothing to guess, and looking the hash up
# tells an attacker nothing by its timing.
SECRET_BYTES = 32
_KEY = re.compile(r"ow_[0-9a-f]{12}_[0-9a-f]{64}")


class Role(StrEnum):
    """What a key may do; each role includes the ones before it."""

    READ = "read"
    REVIEW = "review"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether a key of this role may do what needs `other`."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class KeyEntry(NamedTuple):
    """A key as it is listed."""

    key_id: str
    name: str
    role: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def looks_like_key(text: str) -> bool:
    """Whether `text` has a key's form: anything else needs no look-up."""
    return _KEY.fullmatch(text) is not None


def hash_key(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


async def create_key(connection: asyncpg.Connection, name: str, role: str) -> tuple[str, str]:
    """Store a new key for `name` and return (key_id, key); the key cannot be read again.

    Raises ValueError, in words, for a role that is not one or a name that is empty or longer than 100 characters.
    """
    if role not in list(Role):
        raise ValueError(f"role {role!r} is none of {', '.join(Role)}")
    if not 0 < len(name) <= MAX_NAME_LENGTH or "\0" in name:
        raise ValueError(f"a key's name has 1 to {MAX_NAME_LENGTH} characters")
    key_id = secrets.token_hex(6)
    key = f"ow_{key_id}_{secrets.token_hex(SECRET_BYTES)}"
    await connection.execute(queries.INSERT_KEY, key_id, name, role, hash_key(key))
    return key_id, key


async def list_keys(connection: asyncpg.Connection) -> list[KeyEntry]:
    """All keys, revoked ones too, oldest first."""
    return [KeyEntry(**row) for row in await connection.fetch(queries.LIST_KEYS)]


async def revoke_key(connection: asyncpg.Connection, key_id: str) -> bool:
    """Revoke a key; False when no valid key has this id. The API refuses it within seconds."""
    return await connection.fetchval(queries.REVOKE_KEY, key_id) is not None
