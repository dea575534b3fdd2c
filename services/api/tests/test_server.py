"""The process: it starts without anything, names a taken port, and stops when told to."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from order_api.http.server import listen
from order_platform.health_server import PortTakenError
from tests.support.ports import free_port
from tests.support.waiting import eventually

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
