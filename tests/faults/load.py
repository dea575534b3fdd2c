"""A load of orders with everything in it that happens: new ones, repeats, changed repeats, broken lines."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from order_platform.kafka.topics import PARTITIONS
from order_platform.settings import KafkaSettings
from tests.support.ledger import Ledger

LATE_SHARE = 0.1


class AnyLoad(Protocol):
    """What runs until it is stopped."""

    def stop(self) -> None:
        """Let it finish what it began."""

    async def run(self) -> None:
        """Run until it is stopped."""


@asynccontextmanager
async def under(*loads: AnyLoad) -> AsyncIterator[None]:
    """Loads that run beside the block and stop at its end; when one of them or the block fails, all are ended."""
    async with asyncio.TaskGroup() as group:
        for load in loads:
            group.create_task(load.run())
        yield
        for load in loads:
            load.stop()


class Load:
    """Publishes at a steady rate until told to stop, and enters into the ledger what was acknowledged.

    Independent of order_producer: the ledger must not rest on what it checks.
    """

    def __init__(self, settings: KafkaSettings, ledger: Ledger, *, rate: float, seed: int = 1) -> None:
        self._settings = settings
        self._ledger = ledger
        self._rate = rate
        self._random = random.Random(seed)
        self._sent: list[tuple[int, bytes]] = []
        self.day = datetime.now(UTC).date() - timedelta(days=1)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        producer = AIOKafkaProducer(
            **self._settings.client_options(), enable_idempotence=True, request_timeout_ms=120_000, linger_ms=5
        )
        async with producer:
            loop = asyncio.get_running_loop()
            start, count, waiting = loop.time(), 0, set[asyncio.Task[None]]()
            while not self._stop.is_set():
                due = int((loop.time() - start) * self._rate)
                while count < due:
                    partition, value = self._next(count)
                    acknowledged = await producer.send(self._settings.orders_topic, value, partition=partition)
                    task = asyncio.create_task(self._enter(acknowledged, partition, value))
                    waiting.add(task)
                    task.add_done_callback(waiting.discard)
                    count += 1
                await asyncio.sleep(0.01)
            await producer.flush()
            await asyncio.gather(*waiting)

    async def _enter(self, acknowledged: asyncio.Future[object], partition: int, value: bytes) -> None:
        try:
            metadata = await acknowledged
        except KafkaError:
            return
        self._ledger.acknowledged[partition, metadata.offset] = value  # type: ignore[attr-defined]

    def _next(self, number: int) -> tuple[int, bytes]:
        chance = self._random.random()
        if chance < 0.03:
            return self._random.randrange(PARTITIONS), self._random.choice([b"{", b"[]", b"\xff", b'{"order_id":"x"}'])
        if chance < 0.06 and self._sent:
            return self._random.choice(self._sent)
        if chance < 0.09 and self._sent:
            partition, value = self._random.choice(self._sent)
            return partition, value.replace(b'"quantity":', b'"quantity":1')
        partition = self._random.randrange(PARTITIONS)
        value = (
            f'{{"order_id":"{self._random.getrandbits(64):016x}","user_id":"U{self._random.randrange(1000)}",'
            f'"product_id":"P{self._random.randrange(50)}","quantity":{self._random.randrange(1, 5)},'
            f'"amount":{self._random.randrange(10**9)},"payment_method":"GoPay","country":"ID",'
            f'"created_date":"{self._created(number)}"}}'
        ).encode()
        self._sent.append((partition, value))
        return partition, value

    def _created(self, number: int) -> str:
        """Orders come in their own time, a second each; some are late."""
        second = max(0, number - (self._random.randrange(3_600) if self._random.random() < LATE_SHARE else 0))
        return f"{self.day}T{second // 3_600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
