"""A typed client that is generated from the OpenAPI document, and a program that uses it against the running API."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from order_api.app import create_app
from order_api.auth.keys import create_key
from order_api.settings import ApiSettings
from order_platform.settings import KafkaSettings
from tests.support import client_generator
from tests.support.api import ApiProcess

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("clients") / "program.py"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with package `order_client`."""
    folder = tmp_path_factory.mktemp("generated")
    client_generator.generate(create_app(ApiSettings()).openapi(), folder, "order_client")
    return folder


def test_its_types_hold_what_the_program_relies_on(generated: Path) -> None:
    """A checker of types sees the package where the program runs, and follows nothing into it but types."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--config-file=",
        f"--cache-dir={client_generator.checker_cache()}",
    ]
    command += [f"--python-executable={client_generator.environment()}", str(PROGRAM)]
    environment = {**os.environ, "MYPYPATH": str(generated)}
    checked = subprocess.run(command, env=environment, cwd=generated, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.integration
async def test_a_program_uses_it(
    generated: Path, connection: asyncpg.Connection, database_url: str, store: Any, order: Any, *, tmp_path: Path
) -> None:
    noon = order().created_date
    await store(
        order("order/1", flagged=True, created_date=noon),
        *(order(f"order/{n}", flagged=True, created_date=noon - timedelta(hours=n)) for n in range(2, 6)),
        order("genuine"),
        order("theirs", user_id="user-2", flagged=True),
    )
    _, key = await create_key(connection, "program", "read")
    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), database_url, tmp_path / "log") as api:
        variables = {**os.environ, "PYTHONPATH": str(generated), "API_URL": api.url, "API_KEY": key}
        command = [str(client_generator.environment()), str(PROGRAM)]
        ended = await asyncio.to_thread(
            subprocess.run, command, env=variables, capture_output=True, text=True, check=False, timeout=60
        )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "order": ["order/1", 100_000, "2026-11-22T05:00:00+00:00", "Too large."],
        "unchanged": 304,
        "flags": [f"order/{number}" for number in range(1, 6)],
        "user": ["blacklist", 6, "/v1/flags?user_id=user-1"],
        "orders": 0,
        "unknown": [404, "order-unknown-or-undecided", 404],
        "invalid": ["limit", "0"],
        "stranger": "not-authenticated",
        "session": "read",
    }
