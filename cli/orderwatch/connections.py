"""Connections to the broker and the database of the system that is asked, and what to report when one is down."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from aiokafka.errors import KafkaError

from order_platform.command_line.database import LOCK_SECONDS, open_connection
from order_platform.command_line.errors import CommandError, UnavailableError
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.settings import DatabaseSettings, KafkaSettings, ProcessSettings
from orderwatch.command_hint import command_hint
from orderwatch.environment import not_set_error, reach_advice, read_variables

CONNECT_SECONDS = 10.0

Settings = TypeVar("Settings", bound=ProcessSettings)


def kafka_settings() -> KafkaSettings:
    """The broker with the topics' names. Raises UnavailableError when no setting says where it is."""
    return _read_connection_settings(KafkaSettings, "kafka")


def database_settings(file: str = "env") -> DatabaseSettings:
    """The database, with the role in a file of this checkout's system. Raises UnavailableError when none is named."""
    return _read_connection_settings(DatabaseSettings, "database_url", file)


def _read_connection_settings(kind: type[Settings], required: str, file: str = "env") -> Settings:
    given = read_variables(file)
    names = {field: f"ORDERWATCH_{field.upper()}" for field in kind.model_fields}
    # What the environment holds is read from there by the class itself, with all the ways that it knows.
    written: dict[str, Any] = {
        field: given[name] for field, name in names.items() if name in given and not os.environ.get(name)
    }
    settings = read_settings(kind, **written)
    # Its default is for processes that `up` starts; people get an error rather than another system's data.
    if required not in settings.model_fields_set:
        raise not_set_error(f"ORDERWATCH_{required.upper()}")
    return settings


@contextmanager
def translate_broker_errors(settings: KafkaSettings) -> Iterator[None]:
    """Translates Kafka's errors to UnavailableError."""
    try:
        yield
    except KafkaError as error:
        raise UnavailableError(
            f"the broker at {settings.kafka} does not respond: {str(error) or type(error).__name__}",
            reach_advice("ORDERWATCH_KAFKA"),
        ) from error


@asynccontextmanager
async def open_database(
    settings: DatabaseSettings, *, lock_seconds: float | None = LOCK_SECONDS
) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database, as `open_connection` has it."""
    url = settings.database_url.get_secret_value()
    async with open_connection(url, connect_seconds=CONNECT_SECONDS, lock_seconds=lock_seconds) as connection:
        yield connection


@contextmanager
def translate_database_errors(settings: DatabaseSettings) -> Iterator[None]:
    """Translates the database's errors to errors with advice."""
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise CommandError(
            f"the database at {_host_and_port(settings)} is not migrated: {error}",
            f"{command_hint('migrate')} does that.",
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError(
            f"the database role of ORDERWATCH_DATABASE_URL may not do this: {error}",
            "docs/security.md says what each role may do, and where the URL of each is.",
        ) from error
    except DATABASE_ERRORS as error:
        raise UnavailableError(
            f"the database at {_host_and_port(settings)} does not respond: {str(error) or type(error).__name__}",
            reach_advice("ORDERWATCH_DATABASE_URL"),
        ) from error


def _host_and_port(settings: DatabaseSettings) -> str:
    """Host and port, without the password."""
    netloc = urlsplit(settings.database_url.get_secret_value()).netloc
    return netloc.rpartition("@")[2] or "its socket"
