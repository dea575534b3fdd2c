"""A service as a process of its own, as operators run it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import httpx

from order_platform.settings import KafkaSettings
from tests.support.ports import free_port
from tests.support.preloaded import PreloadedProcess

SHOWN_OF_LOG = 4_000
"""Characters."""


def environment(kafka: KafkaSettings, database_url: str) -> dict[str, str]:
    """The environment of a process that works on a test's system."""
    return {
        **os.environ,
        "ORDERWATCH_KAFKA": kafka.kafka,
        "ORDERWATCH_ORDERS_TOPIC": kafka.orders_topic,
        "ORDERWATCH_DECISIONS_TOPIC": kafka.decisions_topic,
        "ORDERWATCH_DEAD_LETTER_TOPIC": kafka.dead_letter_topic,
        "ORDERWATCH_LABELS_TOPIC": kafka.labels_topic,
        "ORDERWATCH_CONSUMER_GROUP": kafka.consumer_group,
        "ORDERWATCH_DATABASE_URL": database_url,
    }


def run_command(
    kafka: KafkaSettings, database_url: str, *command: str, timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m COMMAND ...` to its end, on a terminal that is wide enough for tables."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**environment(kafka, database_url), "COLUMNS": "200"},
        capture_output=True, text=True, check=False, timeout=timeout,
    )  # fmt: skip


class ServiceProcess:
    """`python -m MODULE COMMAND`, without its imports (preloaded.py); its log is appended to a file, over restarts.

    Use as a context manager.
    """

    module: str
    command: str
    port_setting: str

    def __init__(self, kafka: KafkaSettings, database_url: str, log: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._environment = {**environment(kafka, database_url), self.port_setting: str(self.port), **settings}
        self._process: PreloadedProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.kill()

    @property
    def process(self) -> PreloadedProcess:
        """The process that was started last."""
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> None:
        """Start it, or start it again."""
        with self.log.open("ab") as log:
            self._process = PreloadedProcess(self.module, self.command, self._environment, log)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def require_running(self) -> None:
        """Fail with the end of its log when it has ended: whatever is awaited of it will not come."""
        code = self.process.poll()
        assert code is None, f"{self.module} ended with {code}:\n{self.log.read_text()[-SHOWN_OF_LOG:]}"

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages; status 0 when it does not answer."""
        try:
            # To load the certificates that `verify` wants takes twenty times as long as the request.
            response = httpx.get(f"{self.url}{path}", timeout=5, trust_env=False, verify=False)
        except httpx.TransportError:
            return 0, ""
        return response.status_code, response.text
