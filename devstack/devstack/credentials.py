"""Passwords and keys of the embedded system: random, and kept between runs in a private file."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from order_platform.atomic_write import PRIVATE, write_atomically
from order_platform.postgres.roles import DatabaseRole


def _password() -> str:
    return secrets.token_urlsafe(24)


def _role_passwords() -> dict[str, str]:
    return {role.value: _password() for role in DatabaseRole}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What opens the embedded system. API keys are None until the database is there to hold their hashes."""

    postgres_password: str = field(default_factory=_password)
    """The superuser's: only `make up` uses it, to prepare the server."""
    role_passwords: Mapping[str, str] = field(default_factory=_role_passwords)
    """One per role of order_platform/postgres/roles.py."""
    api_key_id: str | None = None
    api_key: str | None = None
    """For reading and reviewing."""
    admin_key_id: str | None = None
    admin_key: str | None = None
    airflow_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    """What Airflow signs its tokens with."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Those of the last run, or new ones."""
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return cls()
        if "admin_key" not in found:
            # Of a release that had one key, an administrator's.
            found |= {"admin_key_id": found.pop("api_key_id", None), "admin_key": found.pop("api_key", None)}
        found["role_passwords"] = _role_passwords() | found.get("role_passwords", {})
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in known})

    def save(self, path: Path) -> None:
        """Keep them for the next run."""
        write_atomically(path, json.dumps(asdict(self), indent=2) + "\n", PRIVATE)
