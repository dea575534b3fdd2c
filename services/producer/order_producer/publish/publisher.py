"""Publisher to topic orders: in order per key, each message acknowledged or reported as failed."""

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from time import monotonic
from typing import Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
    UnknownProducerId,
)
from aiokafka.partitioner import DefaultPartitioner

from marketplace_simulator.orders import OrderMessage
from order_platform.kafka.topics import MAX_ORDER_BYTES
from order_platform.outage_log import OutageLog
from order_platform.settings import KafkaSettings
from order_producer.publish.connection import UNTIL_RECOVERED, BrokerUnavailableError, connect, stop
from order_producer.publish.metrics import ProducerMetrics
from order_producer.publish.partition_queue import PartitionQueue
from order_producer.publish.sink import Counts

log = structlog.get_logger()

# Limit of unacknowledged messages: enough to keep the broker busy, little enough for memory.
_MOST_BYTES_WAITING = 8 * 1024 * 1024
_MESSAGE_OVERHEAD = 300  # bytes, in Python
_FAILURES_NAMED = 100
_KEYS_REMEMBERED = 16_384
_STUCK_SECONDS = 5.0
_PAUSE_SECONDS = 0.5

# The broker has lost track of the producer; nothing is wrong with the message.
_PRODUCER_FORGOTTEN = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch, InvalidProducerIdMapping)
_UNAUTHORIZED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)


class Publisher:
    """The Sink that is the topic. Use as an async context manager; the first message waits for the broker.

    A broker that restarts is waited for as well, and no message appears twice: the producer is idempotent.
    A message that the broker rejects is reported as failed, and the others continue. After `broker_timeout` seconds
    without a response publishing fails with BrokerUnavailableError; None waits without limit.
    """

    def __init__(
        self, settings: KafkaSettings, counts: Counts, metrics: ProducerMetrics, *, broker_timeout: float | None = None
    ) -> None:
        self.counts = counts
        self._metrics = metrics
        self._settings = settings
        self._topic = settings.orders_topic
        self._producer: AIOKafkaProducer | None = None
        self._renewing = asyncio.Lock()
        self._queues: list[PartitionQueue] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes_waiting = 0
        self._changed = asyncio.Event()
        self._broken: Exception | None = None
        self._broker_timeout = broker_timeout
        self._retry_hint = UNTIL_RECOVERED if broker_timeout is None else f"for {broker_timeout:g} s (--broker-timeout)"
        self._waiting_since = monotonic()
        self._queue_of_key = lru_cache(_KEYS_REMEMBERED)(self._partition)

    async def __aenter__(self) -> Self:
        self._waiting_since = monotonic()
        self._spawn(self._open())
        if self._broker_timeout is not None:
            self._spawn(self._give_up_on_broker(self._broker_timeout))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._stop_sending()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._producer is not None:
            await stop(self._producer)

    async def put(self, message: OrderMessage) -> None:
        """Take a message; waits while too many are unacknowledged. Raises the error that stopped publishing."""
        while self._broken is None and (not self._queues or self._bytes_waiting > _MOST_BYTES_WAITING):
            await self._wait_for_change()
        if self._broken is not None:
            raise self._broken
        self.counts.sent += 1
        if len(message.value) > MAX_ORDER_BYTES:
            self._fail([message], f"it has more than the {MAX_ORDER_BYTES:,} bytes that topic {self._topic} takes")
            return
        self._bytes_waiting += _size(message)
        # A key's partition is cached: Kafka's hash in pure Python costs more than all the rest of publishing.
        queue = self._partition(None) if message.key is None else self._queue_of_key(message.key)
        queue.put(message)

    async def flush(self) -> None:
        """Wait until every message has an outcome. Raises the error that stopped publishing."""
        while self.counts.waiting and self._broken is None:
            await self._wait_for_change()
        if self._broken is not None:
            raise self._broken

    def give_up(self, reason: str) -> None:
        """Count unacknowledged messages as failed, although some may be on the topic."""
        self._stop_sending()
        for queue in self._queues:
            self._fail(queue.take_all(), reason)

    def problem(self) -> str | None:
        """Why nothing is acknowledged at the moment, or None."""
        if not self._queues:
            return f"waiting for the broker at {self._settings.kafka}"
        stuck = self._seconds_unavailable()
        return f"no acknowledgement from {self._settings.kafka} for {stuck:.0f} s" if stuck > _STUCK_SECONDS else None

    def _seconds_unavailable(self) -> float:
        """Seconds without an acknowledgement while messages wait."""
        if not self._queues:
            return monotonic() - self._waiting_since
        return max(queue.seconds_stuck() for queue in self._queues)

    async def _give_up_on_broker(self, seconds: float) -> None:
        while (remaining := seconds - self._seconds_unavailable()) > 0:  # noqa: ASYNC110  (no event to wait for)
            await asyncio.sleep(min(remaining, 1))
        self._break(
            BrokerUnavailableError(
                f"no answer from the broker at {self._settings.kafka} for {seconds:g} s (--broker-timeout): given up; "
                "see whether it runs, and whether ORDERWATCH_KAFKA says where"
            )
        )

    async def _open(self) -> None:
        try:
            self._producer = await connect(self._settings, self._retry_hint)
            partitions = await self._producer.partitions_for(self._topic)
        except Exception as error:  # noqa: BLE001  (as below)
            self._break(error)
            return
        self._queues = [PartitionQueue(number) for number in sorted(partitions)]
        for queue in self._queues:
            self._spawn(self._run(queue))
        self._spawn(self._watch())
        self._changed.set()

    async def _run(self, queue: PartitionQueue) -> None:
        try:
            while True:
                await queue.wait_filled()
                await self._deliver(queue)
        except Exception as error:  # noqa: BLE001  (`put` and `flush` raise it)
            self._break(error)

    def _stop_sending(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _break(self, error: Exception) -> None:
        self._broken = error
        self._changed.set()

    async def _deliver(self, queue: PartitionQueue) -> None:
        """Send one batch and wait for the broker's response."""
        producer = self._producer
        assert producer is not None
        batch = queue.batch(producer)
        count = batch.record_count()
        started = monotonic()
        try:
            acknowledged = await producer.send_batch(batch, self._topic, partition=queue.partition)
            await acknowledged
        except _UNAUTHORIZED:
            raise
        except KafkaError as error:
            if not self._is_rejected(error):
                # Not about the messages: they stay in the queue and are sent again. Without a response they may be on
                # the topic already; duplicates of an order change nothing.
                log.warning("sending_again", partition=queue.partition, messages=count, problem=repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            elif count > 1:
                # One of them is rejected, or the batch is too large: smaller batches isolate the cause.
                queue.batch_limit = count // 2
            else:
                queue.batch_limit = None
                self._fail(queue.take(1), f"the broker refuses it: {error.message}")
            # A failed batch leaves a gap in the sequence, which aiokafka does not close:
            # the broker would reject all batches that follow.
            await self._renew(producer)
        else:
            self._metrics.acknowledge.observe(monotonic() - started)
            self._metrics.published.inc(count)
            self.counts.acknowledged += count
            self._release(queue.take(count))

    @staticmethod
    def _is_rejected(error: KafkaError) -> bool:
        """Whether the broker rejected the messages for good."""
        is_final = isinstance(error, BrokerResponseError) and not error.retriable
        return is_final and not isinstance(error, _PRODUCER_FORGOTTEN)

    async def _renew(self, used: AIOKafkaProducer) -> None:
        """Replace a producer, unless another queue's task has done so."""
        async with self._renewing:
            if self._producer is used:
                self._producer = await connect(self._settings, self._retry_hint)
                # In the background: other queues' batches are still in flight through it.
                self._spawn(stop(used))

    async def _watch(self) -> None:
        """Log when acknowledgements stop, and when they resume."""
        outage = OutageLog("broker")
        while True:
            await asyncio.sleep(1)
            problem = self.problem()
            if problem is None:
                outage.succeeded(waiting=self.counts.waiting)
            else:
                hint = f"nothing is lost, it is tried {self._retry_hint}; ORDERWATCH_KAFKA says where it is"
                outage.failed(problem, waiting=self.counts.waiting, hint=hint)

    def _fail(self, messages: list[OrderMessage], reason: str) -> None:
        for message in messages:
            self.counts.failed += 1
            if self.counts.failed <= _FAILURES_NAMED:
                log.error("not_published", message=message.name, reason=reason)
            if self.counts.failed == _FAILURES_NAMED:
                log.error("more_failures_are_only_counted")
        self._metrics.failed.inc(len(messages))
        self._release(messages)

    def _release(self, messages: list[OrderMessage]) -> None:
        self._bytes_waiting -= sum(map(_size, messages))
        self._changed.set()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _partition(self, key: bytes | None) -> PartitionQueue:
        queue: PartitionQueue = DefaultPartitioner()(key, self._queues, self._queues)
        return queue

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _size(message: OrderMessage) -> int:
    return len(message.value) + _MESSAGE_OVERHEAD
