"""What the containers make when they start for the first time: passwords, roles, and settings for people."""

import asyncio
import stat
import sys
from pathlib import Path

import asyncpg
import pytest

from devstack.postgres import EmbeddedPostgres
from order_platform.env_file import read_env_file
from order_platform.postgres.migrations import upgrade
from order_platform.postgres.roles import DatabaseRole
from orderwatch.provisioning import client_settings, database_passwords, database_roles
from orderwatch.provisioning.published_services import Published

pytestmark = pytest.mark.integration


@pytest.fixture
def volumes(private_postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """After the services `password`, `roles` and `migrate`; the superuser's password is the server's own."""
    for role in DatabaseRole:
        database_passwords.role_file(tmp_path, role).parent.mkdir()
    monkeypatch.setattr(sys, "argv", ["password", str(tmp_path / "superuser"), str(tmp_path)])
    for _ in range(2):
        database_passwords.main()
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", private_postgres.url())
    asyncio.run(database_roles.provision_roles(tmp_path))
    asyncio.run(upgrade(url(private_postgres, tmp_path, DatabaseRole.MIGRATOR)))
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", url(private_postgres, tmp_path, DatabaseRole.OPERATOR))
    monkeypatch.setenv("ORDERWATCH_READER_DATABASE_URL", url(private_postgres, tmp_path, DatabaseRole.READER))
    return tmp_path


def url(server: EmbeddedPostgres, volumes: Path, role: DatabaseRole) -> str:
    """How a role connects with the password in its volume."""
    password = database_passwords.role_file(volumes, role).read_text()
    return f"postgresql://{role}:{password}@127.0.0.1:{server.port}/orderwatch"


def test_passwords_differ_and_are_their_owners_alone(volumes: Path) -> None:
    files = [database_passwords.role_file(volumes, role) for role in DatabaseRole]
    assert len({file.read_text() for file in (*files, volumes / "superuser")}) == len(files) + 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_people_read_and_review_and_an_administrator_may_more(volumes: Path) -> None:
    published = Published(home=volumes, postgres_port=5433)
    asyncio.run(client_settings.write_settings(published))
    people, admin = (read_env_file(volumes / file) for file in ("env", "admin.env"))
    assert "orderwatch_reader" in people["ORDERWATCH_DATABASE_URL"]
    assert "orderwatch_operator" in admin["ORDERWATCH_DATABASE_URL"]
    assert asyncio.run(role_of(admin, people["ORDERWATCH_API_KEY"])) == "review"
    assert asyncio.run(role_of(admin, admin["ORDERWATCH_API_KEY"])) == "admin"
    for file, inside in (("host.env", people), ("host.admin.env", admin)):
        outside = read_env_file(volumes / file)
        assert outside["ORDERWATCH_API_KEY"] == inside["ORDERWATCH_API_KEY"]
        assert outside["ORDERWATCH_DATABASE_URL"].endswith("@127.0.0.1:5433/orderwatch")
    asyncio.run(client_settings.write_settings(published))
    assert read_env_file(volumes / "env") == people, "the next start keeps them"


def test_the_one_key_of_an_earlier_release_stays_the_administrators(volumes: Path) -> None:
    published = Published(home=volumes)
    asyncio.run(client_settings.write_settings(published))
    earlier = read_env_file(volumes / "admin.env")["ORDERWATCH_API_KEY"]
    (volumes / "admin.env").rename(volumes / "env")
    asyncio.run(client_settings.write_settings(published))
    assert read_env_file(volumes / "admin.env")["ORDERWATCH_API_KEY"] == earlier
    assert read_env_file(volumes / "env")["ORDERWATCH_API_KEY"] != earlier


async def role_of(environment: dict[str, str], key: str) -> str:
    """What the database holds of a key."""
    connection = await asyncpg.connect(environment["ORDERWATCH_DATABASE_URL"])
    try:
        role: str = await connection.fetchval("select role from api_keys where key_id = $1", key.split("_")[1])
        return role
    finally:
        await connection.close()
