"""How to reach a running system: from the environment, or from what `orderwatch up` wrote down."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError

from order_contract.settings import KafkaSettings
from orderwatch.embedded.launch import read_environment
from orderwatch.embedded.layout import Layout
from orderwatch.errors import NotUpError
from orderwatch.settings import EmbeddedSettings


@dataclass(frozen=True, slots=True)
class Connection:
    """The broker with the topics' names, and the database."""

    kafka: KafkaSettings
    database_url: str


def find_connection() -> Connection:
    """The system that the environment names (ORDERWATCH_KAFKA, ORDERWATCH_DATABASE_URL), else the embedded one."""
    variables = {**_written(Layout(EmbeddedSettings().home).services_env), **os.environ}
    try:
        return Connection(KafkaSettings(kafka=variables["ORDERWATCH_KAFKA"]), variables["ORDERWATCH_DATABASE_URL"])
    except KeyError as missing:
        raise NotUpError(
            f"there is no system here: {missing.args[0]} is not set, and nothing was started in this checkout",
            "Run `make up`; for a system elsewhere, set ORDERWATCH_KAFKA and ORDERWATCH_DATABASE_URL.",
        ) from None


def _written(path: Path) -> dict[str, str]:
    try:
        return read_environment(path)
    except FileNotFoundError:
        return {}


@contextmanager
def answering() -> Iterator[None]:
    """Turns a broker or database that does not answer into an error that says so."""
    try:
        yield
    except (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        who = "broker" if isinstance(error, KafkaError) else "database"
        raise NotUpError(
            f"the {who} does not answer: {error or type(error).__name__}",
            "See `make status`; `make up` starts what does not run.",
        ) from error
