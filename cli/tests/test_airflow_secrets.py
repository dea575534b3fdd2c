"""What is made for Airflow when its containers start for the first time, and kept later."""

import asyncio
import json
import stat
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from orderwatch.provisioning.airflow_secrets import provision_airflow

pytestmark = pytest.mark.integration


@pytest.fixture
def volume(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", postgres)
    asyncio.run(provision_airflow(tmp_path))
    return tmp_path


def _read(volume: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in volume.iterdir()}


def test_secrets_are_for_their_owner_alone(volume: Path) -> None:
    made = _read(volume)
    assert made.keys() == {"database-url", "api-secret", "jwt-secret", "fernet-key", "passwords.json"}
    assert len(set(made.values())) == len(made)
    assert json.loads(made["passwords.json"]).keys() == {"admin"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in volume.iterdir()} == {0o600}


def test_the_database_is_there_under_its_url(volume: Path) -> None:
    url = urlsplit(_read(volume)["database-url"])
    assert url.scheme == "postgresql+psycopg"

    async def name() -> object:
        connection = await asyncpg.connect(url._replace(scheme="postgresql").geturl())
        try:
            return await connection.fetchval("select current_database()")
        finally:
            await connection.close()

    assert asyncio.run(name()) == "airflow"


def test_the_next_start_keeps_them_and_follows_the_database_to_its_new_place(volume: Path) -> None:
    before = _read(volume)
    (volume / "database-url").write_text("postgresql+psycopg://somewhere/else")
    asyncio.run(provision_airflow(volume))
    assert _read(volume) == before
