"""Where the real broker and database of a test run come from: embedded processes, or containers. Same fixtures."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from orderwatch.embedded.kafka import EmbeddedKafka
from orderwatch.embedded.kafka_runtime import provide
from orderwatch.embedded.ports import free_port
from orderwatch.embedded.postgres import EmbeddedPostgres
from orderwatch.settings import EmbeddedSettings


class Backend(Protocol):
    """Starts a broker and a database; each is stopped and wiped when its context ends."""

    def broker(self) -> "contextmanager[str]":
        """Bootstrap servers."""
        ...

    def postgres(self) -> "contextmanager[str]":
        """URL of a superuser's connection to database `postgres`."""
        ...
