"""An API key for people, and the settings that clients need: `python -m orderwatch.containers.credentials`.

They lie in a volume: `env` for `orderwatch` in a container, `host.env` for a shell outside.
"""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from pydantic import SecretStr

from order_api.keys import create_key
from order_contract.settings import DatabaseSettings, KafkaSettings
from orderwatch import queries
from orderwatch.containers.published import API, Published
from orderwatch.embedded.launch import exports, read_environment
from orderwatch.whole_file import PRIVATE, write_whole

KEY = "ORDERWATCH_API_KEY"


async def write_settings(published: Published) -> None:
    """Write both files."""
    url, kafka = DatabaseSettings().database_url.get_secret_value(), KafkaSettings()
    key = await _key(_kept(published.home / "env").get(KEY), url)
    inside = {"ORDERWATCH_API_URL": f"http://{API.name}:{API.port}", KEY: key, "ORDERWATCH_DATABASE_URL": url}
    inside |= _variables(kafka)
    outside = {"ORDERWATCH_API_URL": f"http://127.0.0.1:{published.api_port}", KEY: key}
    if published.kafka_port:
        outside["ORDERWATCH_KAFKA"] = f"127.0.0.1:{published.kafka_port}"
    if published.postgres_port:
        outside["ORDERWATCH_DATABASE_URL"] = _at(url, f"127.0.0.1:{published.postgres_port}")
    write_whole(published.home / "env", exports(inside), PRIVATE)
    write_whole(published.home / "host.env", exports(outside), PRIVATE)


async def _key(kept: str | None, database_url: str) -> str:
    """The key of the last start, or a new one when there is none or it was revoked."""
    connection = await asyncpg.connect(database_url)
    try:
        if kept is not None and await queries.key_is_valid(connection, kept.split("_")[1]):
            return kept
        _, key = await create_key(connection, "docker compose up", "admin")
    finally:
        await connection.close()
    return key


def _kept(path: Path) -> dict[str, str]:
    try:
        return read_environment(path)
    except FileNotFoundError:
        return {}


def _variables(kafka: KafkaSettings) -> dict[str, str]:
    """What another process needs to reach the same broker and topics; passwords in clear, wherever they came from."""
    given = {name: getattr(kafka, name) for name in KafkaSettings.model_fields if name in kafka.model_fields_set}
    return {
        f"ORDERWATCH_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
    }


def _at(url: str, place: str) -> str:
    """The URL of the same database at another host and port."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{place}"))


if __name__ == "__main__":
    asyncio.run(write_settings(Published()))
