"""Passwords and keys of the embedded system: random, kept between runs, in a file for its owner only."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from orderwatch.whole_file import PRIVATE, write_whole


@dataclass(frozen=True, slots=True)
class Credentials:
    """What opens the embedded system. The API key is None until the database is there to hold its hash."""

    postgres_password: str
    api_key_id: str | None = None
    api_key: str | None = None
    airflow_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    """What Airflow signs its tokens with."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Those of the last run, or new ones."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return cls(secrets.token_urlsafe(24))

    def save(self, path: Path) -> None:
        """Keep them for the next run."""
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n", PRIVATE)
