"""What a client that vanished had locked: who waits for it, and for how long."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from order_platform.postgres import topic_epochs
from order_platform.postgres.migrations import upgrade
from order_platform.postgres.migrations.session_settings import SETTINGS

ROOT = Path(__file__).parents[3]
# Migrations are history: what they say is not changed.
CODE = ("packages/*/*", "services/*/*", "airflow/order_batch", "cli/orderwatch", "devstack/devstack")


@pytest.fixture
async def storing(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that is storing orders."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("begin")
    await connection.execute("select storable_from()")
    yield connection
    await connection.close()


@pytest.mark.integration
@pytest.mark.usefixtures("storing")
async def test_a_detector_that_starts_does_not_wait_for_one_that_stores(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"lock_timeout": "100ms"})
    assert await topic_epochs.bind_group(connection, "group", "orders", uuid4()) == 1
    await connection.close()


def test_each_advisory_lock_is_one_of_those_that_are_numbered() -> None:
    """Two locks with one number, chosen at two places, made detectors wait for each other."""
    literal = re.compile(r"pg_\w*advisory\w*\((?:\d|hashtext|0x)")
    sources = [path for pattern in CODE for folder in ROOT.glob(pattern) for path in folder.rglob("*.py")]
    found = [
        str(path.relative_to(ROOT))
        for path in sources
        if not {"tests", "versions", ".venv"} & set(path.parts) and literal.search(path.read_text())
    ]
    assert len(sources) > 100
    assert found == []


@pytest.mark.integration
async def test_sessions_end_soon_after_their_client_vanished(database_url: str) -> None:
    await upgrade(database_url)
    connection = await asyncpg.connect(database_url)
    if "linux" in await connection.fetchval("select version()"):
        assert {name: await connection.fetchval(f"show {name}") for name in SETTINGS} == SETTINGS
    await connection.close()


@pytest.mark.integration
async def test_an_operator_s_own_settings_of_sessions_stay(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    database = await connection.fetchval("select quote_ident(current_database())")
    await connection.execute(f"alter database {database} set tcp_keepalives_idle = 7")
    await connection.close()
    await upgrade(database_url)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("show tcp_keepalives_idle") == "7"
    await connection.close()
