"""Labels of generated fraud, published on topic labels some time after their orders."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Final, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from marketplace_simulator.labels import label_of
from order_contract.label import LabelEvent
from order_contract.label_record import encode_label, label_key
from order_platform.kafka.producer import start_producer
from order_platform.outage_log import OutageLog
from order_platform.settings import KafkaSettings
from order_producer.publish.connection import stop

log = structlog.get_logger()

AUTHOR: Final = "order-producer"
_PAUSE_SECONDS: Final = 1.0
_REQUEST_TIMEOUT_MS: Final = 10_000

Due = tuple[float, str, str]
"""When a label is due, by the loop's clock; its order's id and pattern."""


class DelayedLabels:
    """Publishes a label for each recorded order, `delay` seconds later on average. Use as an async context manager.

    At the end those that are still due are published at once, within `drain_seconds`. A broker that is unavailable is
    waited for, and orders are published all the same.
    """

    def __init__(self, settings: KafkaSettings, *, delay: float, drain_seconds: float) -> None:
        self._settings = settings
        self._delay = delay
        self._drain_seconds = drain_seconds
        self._due: list[Due] = []
        self._changed = asyncio.Event()
        self._ending = False
        self._producer: AIOKafkaProducer | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._outage = OutageLog("labels")
        self.published = 0

    async def __aenter__(self) -> Self:
        self._publishing = asyncio.create_task(self._publish_due(), name="publish labels")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._ending = True
        self._changed.set()
        assert self._publishing is not None
        await asyncio.wait([self._publishing], timeout=self._drain_seconds)
        if not self._publishing.done():
            self._publishing.cancel()
            log.warning("labels_not_published", labels=len(self._due))
        with suppress(asyncio.CancelledError):
            await self._publishing
        if self._producer is not None:
            await stop(self._producer)
        if self.published:
            log.info("labels_published", labels=self.published)

    def record(self, order_id: str, pattern: str) -> None:
        """An order of a fraud pattern is being published."""
        now = asyncio.get_running_loop().time()
        heappush(self._due, (now + self._delay * label_of(order_id, pattern).delay, order_id, pattern))
        self._changed.set()

    async def _publish_due(self) -> None:
        loop = asyncio.get_running_loop()
        while self._due or not self._ending:
            if not self._due or (self._due[0][0] > loop.time() and not self._ending):
                await self._wait(self._due[0][0] - loop.time() if self._due else None)
                continue
            due = heappop(self._due)
            try:
                await self._publish(*due[1:])
            except (KafkaError, OSError, TimeoutError) as error:
                heappush(self._due, due)
                self._outage.failed(repr(error), kafka=self._settings.kafka)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._outage.succeeded(kafka=self._settings.kafka)
            self.published += 1

    async def _wait(self, seconds: float | None) -> None:
        """Wait until another order was recorded, or so long."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _publish(self, order_id: str, pattern: str) -> None:
        label, source, _ = label_of(order_id, pattern)
        event = LabelEvent(order_id, label, source, AUTHOR, datetime.now(UTC), f"simulated: {pattern}")
        producer = await self._connect()
        await producer.send_and_wait(self._settings.labels_topic, encode_label(event), label_key(order_id))

    async def _connect(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await start_producer(self._settings, request_timeout_ms=_REQUEST_TIMEOUT_MS)
        return self._producer
