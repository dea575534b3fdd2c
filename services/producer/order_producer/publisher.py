"""Publishes messages to topic orders: in order per key, each acknowledged or named as failed."""

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
from order_platform.settings import KafkaSettings
from order_producer.connection import UNTIL_IT_ANSWERS, BrokerUnavailableError, connect, stop
from order_producer.counts import Counts
from order_producer.lane import Lane
from order_producer.metrics import Metrics

log = structlog.get_logger()

# Messages handed over and not acknowledged: enough to keep the broker busy, little enough to keep in memory.
_MOST_BYTES_WAITING = 8 * 1024 * 1024
_MESSAGE_OVERHEAD = 300  # bytes, in Python
_FAILURES_NAMED = 100
_KEYS_REMEMBERED = 16_384
_STUCK_SECONDS = 5.0
_PAUSE_SECONDS = 0.5

# The broker has lost track of the producer; nothing is wrong with the message.
_PRODUCER_FORGOTTEN = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch, InvalidProducerIdMapping)
_NOT_ALLOWED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)


class Publisher:
    """The Sink that is the topic. Use as an async context manager; the first message waits for the broker.

    A broker that restarts is waited for too, and its restart makes no message appear twice: the producer is idempotent.
    A message that the broker refuses is given up and named, and the others go on. A broker that does not answer for
    `broker_timeout` seconds makes an end to it (BrokerUnavailableError); None waits for ever.
    """

    def __init__(
        self, settings: KafkaSettings, counts: Counts, metrics: Metrics, *, broker_timeout: float | None = None
    ) -> None:
        self.counts = counts
        self._metrics = metrics
        self._settings = settings
        self._topic = settings.orders_topic
        self._producer: AIOKafkaProducer | None = None
        self._renewing = asyncio.Lock()
        self._lanes: list[Lane] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes_waiting = 0
        self._changed = asyncio.Event()
        self._broken: Exception | None = None
        self._broker_timeout = broker_timeout
        self._patience = UNTIL_IT_ANSWERS if broker_timeout is None else f"for {broker_timeout:g} s (--broker-timeout)"
        self._waiting_since = monotonic()
        self._lane_of_key = lru_cache(_KEYS_REMEMBERED)(self._partition)

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
        """Take a message; waits while too many are on their way. Raises what made publishing pointless."""
        while self._broken is None and (not self._lanes or self._bytes_waiting > _MOST_BYTES_WAITING):
            await self._something_changed()
        if self._broken is not None:
            raise self._broken
        self.counts.sent += 1
        if len(message.value) > MAX_ORDER_BYTES:
            self._fail([message], f"it has more than the {MAX_ORDER_BYTES:,} bytes that topic {self._topic} takes")
            return
        self._bytes_waiting += _size(message)
        # A key's partition is remembered: Kafka's hash in pure Python costs more than all the rest of publishing.
        lane = self._partition(None) if message.key is None else self._lane_of_key(message.key)
        lane.put(message)

    async def settled(self) -> None:
        """Wait until nothing is on its way any more. Raises what made publishing pointless."""
        while self.counts.waiting and self._broken is None:
            await self._something_changed()
        if self._broken is not None:
            raise self._broken

    def give_up(self, reason: str) -> None:
        """Let what is still on its way count as failed; it may be on the topic all the same."""
        self._stop_sending()
        for lane in self._lanes:
            self._fail(lane.take_all(), reason)

    def problem(self) -> str | None:
        """Why nothing gets through at the moment, or None."""
        if not self._lanes:
            return f"waiting for the broker at {self._settings.kafka}"
        stuck = self._unavailable_for()
        return f"no acknowledgement from {self._settings.kafka} for {stuck:.0f} s" if stuck > _STUCK_SECONDS else None

    def _unavailable_for(self) -> float:
        """Seconds for which nothing has got through although something waits."""
        if not self._lanes:
            return monotonic() - self._waiting_since
        return max(lane.stuck_for() for lane in self._lanes)

    async def _give_up_on_broker(self, seconds: float) -> None:
        while (remaining := seconds - self._unavailable_for()) > 0:  # noqa: ASYNC110  (time passes, and nothing tells)
            await asyncio.sleep(min(remaining, 1))
        self._break(
            BrokerUnavailableError(
                f"no answer from the broker at {self._settings.kafka} for {seconds:g} s (--broker-timeout): given up; "
                "see whether it runs, and whether ORDERWATCH_KAFKA says where"
            )
        )

    async def _open(self) -> None:
        try:
            self._producer = await connect(self._settings, self._patience)
            partitions = await self._producer.partitions_for(self._topic)
        except Exception as error:  # noqa: BLE001  (as below)
            self._break(error)
            return
        self._lanes = [Lane(number) for number in sorted(partitions)]
        for lane in self._lanes:
            self._spawn(self._run(lane))
        self._spawn(self._watch())
        self._changed.set()

    async def _run(self, lane: Lane) -> None:
        try:
            while True:
                await lane.filled()
                await self._deliver(lane)
        except Exception as error:  # noqa: BLE001  (nobody awaits this task: `put` and `settled` raise it)
            self._break(error)

    def _stop_sending(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _break(self, error: Exception) -> None:
        self._broken = error
        self._changed.set()

    async def _deliver(self, lane: Lane) -> None:
        """Send one batch and wait for what the broker says of it."""
        producer = self._producer
        assert producer is not None
        batch = lane.batch(producer)
        count = batch.record_count()
        started = monotonic()
        try:
            acknowledged = await producer.send_batch(batch, self._topic, partition=lane.partition)
            await acknowledged
        except _NOT_ALLOWED:
            raise
        except KafkaError as error:
            if not self._refused(error):
                # Not about the messages: they stay in the lane and are sent again. As the client gave up without an
                # answer, they may be on the topic by then; duplicates of an order change nothing.
                log.warning("sending_again", partition=lane.partition, messages=count, problem=repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            elif count > 1:
                # One of them is at fault, or they are too much together: smaller batches find out.
                lane.batch_limit = count // 2
            else:
                lane.batch_limit = None
                self._fail(lane.take(1), f"the broker refuses it: {error.message}")
            # A batch that came to nothing leaves a hole in the sequence, and aiokafka does not mend it:
            # the broker would refuse all that follows.
            await self._renew(producer)
        else:
            self._metrics.acknowledge.observe(monotonic() - started)
            self._metrics.published.inc(count)
            self.counts.acknowledged += count
            self._release(lane.take(count))

    @staticmethod
    def _refused(error: KafkaError) -> bool:
        """Whether the broker's answer is about the messages, and final."""
        answered = isinstance(error, BrokerResponseError) and not error.retriable
        return answered and not isinstance(error, _PRODUCER_FORGOTTEN)

    async def _renew(self, used: AIOKafkaProducer) -> None:
        """Replace a producer, unless another lane has done so."""
        async with self._renewing:
            if self._producer is used:
                self._producer = await connect(self._settings, self._patience)
                # In the background: other lanes' batches are still on their way through it.
                self._spawn(stop(used))

    async def _watch(self) -> None:
        """Say when acknowledgements stop coming, and when they come again."""
        told = False
        while True:
            await asyncio.sleep(1)
            problem = self.problem()
            if problem is not None and not told:
                hint = f"nothing is lost, it is tried {self._patience}; ORDERWATCH_KAFKA says where it is"
                log.warning("broker_away", problem=problem, waiting=self.counts.waiting, hint=hint)
            elif problem is None and told:
                log.info("broker_back", waiting=self.counts.waiting)
            told = problem is not None

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

    async def _something_changed(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _partition(self, key: bytes | None) -> Lane:
        lane: Lane = DefaultPartitioner()(key, self._lanes, self._lanes)
        return lane

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _size(message: OrderMessage) -> int:
    return len(message.value) + _MESSAGE_OVERHEAD
