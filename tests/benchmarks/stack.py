"""A broker and a database of the benchmark's own, and processes on them."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from order_platform.kafka.topics import ensure_topics
from order_platform.postgres.migrations import upgrade
from order_platform.settings import KafkaSettings
from tests.support import embedded


@dataclass(frozen=True, slots=True)
class Place:
    """Topics, a group and a database of one measurement's own."""

    kafka: KafkaSettings
    database_url: str
    logs: Path
    rules: Mapping[str, str]
    """Settings that say by which rules is decided."""

    @contextmanager
    def process(self, *arguments: str, **settings: str) -> Iterator[psutil.Process]:
        """A Python process on these, ended by SIGTERM. `arguments` follow `python -m`."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ORDERWATCH_")},
            "ORDERWATCH_KAFKA": self.kafka.kafka,
            "ORDERWATCH_ORDERS_TOPIC": self.kafka.orders_topic,
            "ORDERWATCH_DECISIONS_TOPIC": self.kafka.decisions_topic,
            "ORDERWATCH_DEAD_LETTER_TOPIC": self.kafka.dead_letter_topic,
            "ORDERWATCH_CONSUMER_GROUP": self.kafka.consumer_group,
            "ORDERWATCH_DATABASE_URL": self.database_url,
            **self.rules,
            **settings,
        }
        with (self.logs / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def cpu_seconds(process: psutil.Process, *, with_children: bool = True) -> float:
    """User and system seconds of a process, by default with its children: those that are there and that have ended."""
    times = process.cpu_times()
    total = times.user + times.system
    if with_children:
        total += times.children_user + times.children_system
        total += sum(cpu_seconds(child, with_children=False) for child in process.children(recursive=True))
    return float(total)


async def most_memory(pid: int) -> int:
    """The most that a process and those that it starts hold, looked at twice a second until it ends."""
    most = 0
    try:
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            most = max(most, sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]))
            await asyncio.sleep(0.5)
    except psutil.NoSuchProcess:
        pass
    return most


class Stack:
    """The running broker and database; each measurement takes a new place on them."""

    def __init__(
        self, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, folder: Path, rules: Mapping[str, str]
    ) -> None:
        self._kafka = kafka
        self._postgres = postgres
        self._folder = folder
        self._rules = rules

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Topics and a database that are there and empty, and dropped afterwards."""
        name = uuid.uuid4().hex[:8]
        settings = KafkaSettings(
            kafka=self._kafka.bootstrap_servers,
            orders_topic=f"orders-{name}",
            decisions_topic=f"decisions-{name}",
            dead_letter_topic=f"orders.dlq-{name}",
            consumer_group=f"group-{name}",
        )
        await ensure_topics(settings)
        await self._execute(f"create database bench_{name}")
        url = self._postgres.url(f"bench_{name}")
        await upgrade(url)
        try:
            yield Place(settings, url, self._folder, self._rules)
        finally:
            await self._execute(f"drop database bench_{name} with (force)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def postgres_cpu(self) -> float:
        """Seconds of CPU that the server has used, with the connections that have ended and those that are there."""
        return cpu_seconds(psutil.Process(self._postgres.pid))

    def broker_cpu(self) -> float:
        """Seconds of CPU that the broker has used."""
        return cpu_seconds(psutil.Process(self._kafka.pid))


@asynccontextmanager
async def running_stack(rules: Mapping[str, str]) -> AsyncIterator[Stack]:
    """A stack in a temporary folder; `rules` are settings that say by which rules is decided.

    On SIGTERM the measurement is cancelled, so that everything it started ends before it.
    """
    with (
        _cancelled_by_sigterm(),
        tempfile.TemporaryDirectory(prefix="orderwatch-bench-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        kafka, postgres = embedded.new_kafka(folder / "kafka"), embedded.new_postgres(folder / "postgres")
        kafka.start()
        postgres.start()
        try:
            await asyncio.to_thread(kafka.wait_ready)
            await asyncio.to_thread(postgres.wait_ready)
            yield Stack(kafka, postgres, folder, rules)
        finally:
            kafka.terminate()
            postgres.terminate()


@contextmanager
def _cancelled_by_sigterm() -> Iterator[None]:
    ended = False
    task = asyncio.current_task()

    def end() -> None:
        nonlocal ended
        ended = True
        if task is not None:
            task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    except asyncio.CancelledError:
        if ended:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
