"""The API as a process of its own, as operators run it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import httpx

from order_contract.settings import KafkaSettings
from orderwatch.embedded.ports import free_port
from tests.support.waiting import eventually


class ApiProcess:
    """`order-api serve`, once it answers; its log goes to a file. Use as a context manager."""

    def __init__(self, kafka: KafkaSettings, database_url: str, log: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._environment = {
            **os.environ,
            "ORDERWATCH_KAFKA": kafka.kafka,
            "ORDERWATCH_ORDERS_TOPIC": kafka.orders_topic,
            "ORDERWATCH_DECISIONS_TOPIC": kafka.decisions_topic,
            "ORDERWATCH_DEAD_LETTER_TOPIC": kafka.dead_letter_topic,
            "ORDERWATCH_CONSUMER_GROUP": kafka.consumer_group,
            "ORDERWATCH_DATABASE_URL": database_url,
            "ORDERWATCH_API_PORT": str(self.port),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "order_api", "serve"],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        eventually(self._answers, "the API to answer")
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process."""
        assert self._process is not None, "not started"
        return self._process

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/healthz", timeout=1, trust_env=False).is_success
        except httpx.TransportError:
            return False
