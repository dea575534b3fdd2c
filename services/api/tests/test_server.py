"""The process: it starts without anything, names a taken port, and stops when told to."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from order_api.auth.keys import create_key
from order_api.http.server import listen
from order_platform.health_server import PortTakenError
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.ports import free_port
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.slow


def environment(port: int) -> dict[str, str]:
    """Settings that lead nowhere."""
    return {
        **os.environ,
        "ORDERWATCH_API_PORT": str(port),
        "ORDERWATCH_DATABASE_URL": "postgresql://stranger@127.0.0.1:1/nothing",
        "ORDERWATCH_KAFKA": "127.0.0.1:1",
    }


@contextmanager
def serving(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`order-api serve`, once it answers."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "order_api", "serve"], env=environment(port), stdout=output, stderr=output
        ) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or responds(port), "the API to respond")
            yield process
        finally:
            process.kill()


def responds(port: int) -> bool:
    """Whether something serves there."""
    try:
        httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60, verify=False)
    except httpx.TransportError:
        return False
    return True


def test_it_starts_alone_and_stops_cleanly(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with serving(port, log) as process:
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60, verify=False).status_code == 200
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=60, verify=False)
        assert ready.status_code == 503
        assert "postgres" in ready.json()["detail"]
        assert "kafka" in ready.json()["detail"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    text = log.read_text()
    assert "Traceback" not in text
    assert len(text.splitlines()) == 3, text  # listening, and each of the two that are unavailable, once


def test_it_says_which_setting_moves_it() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} on 127.0.0.1 is taken; set ORDERWATCH_API_PORT"):
            listen("127.0.0.1", port)
        command = [sys.executable, "-m", "order_api", "serve"]
        ended = subprocess.run(command, env=environment(port), capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 3
    assert "ORDERWATCH_API_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_listens_on_its_settings() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with listen("::1", 0) as listening:
            assert listening.family == socket.AF_INET6
    except OSError:
        pytest.skip("no IPv6 here")


@pytest.mark.integration
async def test_a_second_ctrl_c_ends_it_at_once_and_leaves_no_traceback_of_each_request(
    database_url: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    _, key = await create_key(connection, "test", "read")
    headers = {"Authorization": f"Bearer {key}"}

    async def requests_wait() -> bool:
        return int(await connection.fetchval("select count(*) from pg_locks where not granted")) >= 2

    with ApiProcess(KafkaSettings(kafka="127.0.0.1:1"), database_url, tmp_path / "log") as api:
        async with (
            httpx.AsyncClient(base_url=api.url, headers=headers, verify=False, timeout=20) as client,
            connection.transaction(),
        ):
            await connection.execute("lock table orders in access exclusive mode")
            asking = [asyncio.create_task(client.get(path)) for path in ("/v1/orders", "/v1/orders/o1")]
            await until(requests_wait, "the requests to wait for a lock")
            for _ in range(2):
                api.process.send_signal(signal.SIGINT)
                await asyncio.sleep(0.3)
            assert await asyncio.to_thread(api.process.wait, 5) == 0
            await asyncio.gather(*asking, return_exceptions=True)

    assert "Traceback" not in api.log.read_text()
