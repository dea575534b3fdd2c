"""API keys, with their roles and scopes: create, list, revoke. A key is shown once; only its hash is stored."""

import hashlib
import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from order_api.auth import repository as credential_queries
from order_contract.business_time import BUSINESS_ZONE
from order_platform.postgres.sql_builder import QueryExecutor

MAX_NAME_LENGTH = 100
NAME_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]{1,100}$"
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


class Scope(StrEnum):
    """A part of the API that a key can be restricted to; sessions, health and documentation need none."""

    ORDERS = "orders"
    """Orders and flags."""
    USERS = "users"
    DECISIONS = "decisions"
    STATS = "stats"
    MARTS = "marts"
    DEAD_LETTERS = "dead-letters"
    KEYS = "keys"
    AUDIT = "audit"
    LISTS = "lists"
    """Lists and snoozes."""
    RULESETS = "rulesets"
    """The active ruleset, and drafts."""


class KeyEntry(NamedTuple):
    """A key as it is listed."""

    key_id: str
    name: str
    role: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None
    scopes: list[str] | None
    kind: str
    """`key`, or `person` for one who signs in to the workbench."""


class NewKey(NamedTuple):
    """A key that was made; `key` cannot be read again."""

    key_id: str
    key: str
    created_at: datetime


def looks_like_key(text: str) -> bool:
    """Whether `text` has a key's form: anything else needs no look-up."""
    return _KEY.fullmatch(text) is not None


def hash_key(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


async def create_key(
    connection: QueryExecutor,
    name: str,
    role: str,
    *,
    expires_at: datetime | None = None,
    scopes: Collection[str] | None = None,
) -> tuple[str, str]:
    """Store a new key for `name` and return (key_id, key); the key cannot be read again.

    Raises ValueError, which says what to write, for a name, role, expiry or scopes that cannot be.
    """
    made = await store_key(connection, name, role, expires_at=expires_at, scopes=scopes)
    return made.key_id, made.key


async def store_key(
    connection: QueryExecutor, name: str, role: str, *, expires_at: datetime | None, scopes: Collection[str] | None
) -> NewKey:
    """As `create_key`."""
    if role not in list(Role):
        raise ValueError(f"role {role!r} is none of {', '.join(Role)}")
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise ValueError(f"a key's name has 1 to {MAX_NAME_LENGTH} characters, none of them a control character")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise ValueError(f"expires_at {expires_at.isoformat()} is in the past")
    if scopes is not None:
        if not scopes:
            raise ValueError(f"scopes are some of {', '.join(Scope)}; leave them out for all")
        if unknown := sorted(set(scopes) - set(Scope)):
            raise ValueError(f"scope {unknown[0]!r} is none of {', '.join(Scope)}")
        scopes = [scope for scope in Scope if scope in set(scopes)]
    key_id = secrets.token_hex(6)
    key = f"ow_{key_id}_{secrets.token_hex(SECRET_BYTES)}"
    record = await connection.fetchrow(
        credential_queries.INSERT_KEY, key_id, name, role, hash_key(key), expires_at, scopes
    )
    assert record is not None
    return NewKey(key_id, key, record["created_at"])


async def list_keys(connection: QueryExecutor) -> list[KeyEntry]:
    """All keys, revoked ones too, oldest first."""
    return [KeyEntry(**row) for row in await connection.fetch(credential_queries.LIST_KEYS)]


async def newest_keys(connection: QueryExecutor, count: int) -> list[KeyEntry]:
    """Up to `count` keys, valid ones first, of these the newest first."""
    return [KeyEntry(**row) for row in await connection.fetch(credential_queries.NEWEST_KEYS, count)]


async def revoke_key(connection: QueryExecutor, key_id: str) -> bool:
    """Revoke a key; False when no valid key has this id. The API refuses it within seconds."""
    return await connection.fetchrow(credential_queries.REVOKE_KEY, key_id) is not None


async def is_valid_key(connection: QueryExecutor, key_id: str | None) -> bool:
    """Whether a key with this id exists and is not revoked."""
    return bool((await connection.fetch(credential_queries.KEY_IS_VALID, key_id))[0][0])


_FROM_NOW = re.compile(r"([0-9]{1,5})([hd])")
_UNITS = {"h": "hours", "d": "days"}


def parse_expiry(text: str, now: datetime) -> datetime:
    """`90d` or `12h` from now, or a date and time; without an offset in business time. Raises ValueError."""
    if match := _FROM_NOW.fullmatch(text):
        return now + timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=BUSINESS_ZONE)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"--expires {text!r} is not a time: write 90d, 12h, 2027-01-31 or 2027-01-31T12:00") from None
