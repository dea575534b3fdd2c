"""Provisioning of clients: `python -m orderwatch.provisioning.client_settings` makes API keys and their files.

The files are in a volume: `env` for `orderwatch` in a container, `host.env` for a shell outside; `admin.env` and
`host.admin.env` are the administrator's. It connects as the operator, who manages keys; people who only ask are given
the reader's URL.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from order_api.auth.keys import create_key, is_valid_key
from order_platform.atomic_write import PRIVATE, write_atomically
from order_platform.env_file import format_env_file, read_env_file
from order_platform.settings import DatabaseSettings, KafkaSettings
from orderwatch.environment import ADMIN_ENV, CLIENT_ENV
from orderwatch.provisioning.published_services import API, Published

KEY = "ORDERWATCH_API_KEY"


class ReaderSettings(DatabaseSettings):
    """ORDERWATCH_READER_DATABASE_URL and its password; without them, people ask as the operator."""

    model_config = SettingsConfigDict(env_prefix="ORDERWATCH_READER_")


async def write_settings(published: Published) -> None:
    """Write all files."""
    operator, reader, kafka = DatabaseSettings(), ReaderSettings(), KafkaSettings()
    url = operator.database_url.get_secret_value()
    reader_url = reader.database_url.get_secret_value() if "database_url" in reader.model_fields_set else url
    client_env, admin_env = published.home / CLIENT_ENV, published.home / ADMIN_ENV
    kept, kept_admin = _read_kept(client_env).get(KEY), _read_kept(admin_env).get(KEY)
    if not admin_env.exists():
        kept, kept_admin = None, kept  # of a release that had one key, an administrator's
    key = await _ensure_key(kept, url, "docker compose up", "review")
    admin_key = await _ensure_key(kept_admin, url, "docker compose up, admin", "admin")
    for file, database, used in ((client_env, reader_url, key), (admin_env, url, admin_key)):
        write_atomically(file, format_env_file(_container_settings(kafka, database, used)), PRIVATE)
        host_file = file.with_name(f"host.{file.name}")
        write_atomically(host_file, format_env_file(_host_settings(published, database, used)), PRIVATE)


def _container_settings(kafka: KafkaSettings, database_url: str, key: str) -> Mapping[str, str]:
    api = {"ORDERWATCH_API_URL": f"http://{API.name}:{API.port}", KEY: key}
    return {**api, "ORDERWATCH_DATABASE_URL": database_url, **_kafka_variables(kafka)}


def _host_settings(published: Published, database_url: str, key: str) -> Mapping[str, str]:
    outside = {"ORDERWATCH_API_URL": f"http://127.0.0.1:{published.api_port}", KEY: key}
    if published.kafka_port:
        outside["ORDERWATCH_KAFKA"] = f"127.0.0.1:{published.kafka_port}"
    if published.postgres_port:
        outside["ORDERWATCH_DATABASE_URL"] = _replace_host(database_url, f"127.0.0.1:{published.postgres_port}")
    return outside


async def _ensure_key(kept: str | None, database_url: str, name: str, role: str) -> str:
    """The key of the last start, or a new one when there is none or it was revoked."""
    connection = await asyncpg.connect(database_url)
    try:
        if kept is not None and await is_valid_key(connection, kept.split("_")[1]):
            return kept
        _, key = await create_key(connection, name, role)
    finally:
        await connection.close()
    return key


def _read_kept(path: Path) -> dict[str, str]:
    try:
        return read_env_file(path)
    except FileNotFoundError:
        return {}


def _kafka_variables(kafka: KafkaSettings) -> dict[str, str]:
    """What another process needs to reach the same broker and topics; passwords in clear, wherever they came from."""
    given = {name: getattr(kafka, name) for name in KafkaSettings.model_fields if name in kafka.model_fields_set}
    return {
        f"ORDERWATCH_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
    }


def _replace_host(url: str, place: str) -> str:
    """The URL of the same database at another host and port."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{place}"))


if __name__ == "__main__":
    asyncio.run(write_settings(Published()))
