"""Recording labels: a member of the group that reads topic `labels` and stores what it holds.

    poll -> decode -> store -> publish dead letters -> commit

One batch at a time: labels are few. Storing is idempotent, so what a member stores that has lost its partitions is
harmless, and what was not committed is read and stored again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Final, Protocol, TypeVar

import structlog

from fraud_detector.labels.batch import LabelBatch, read_batch
from fraud_detector.labels.metrics import LabelMetrics
from fraud_detector.stream.batch import Gap
from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.ports import (
    AcceptedLossError,
    CommitRefusedError,
    DecisionPublisher,
    DependencyUnavailableError,
    OrderConsumer,
)
from fraud_detector.stream.topic_binding import TopicBindings, bind_topic
from order_platform.cancellation import task_is_cancelled

log = structlog.get_logger()

T = TypeVar("T")

BATCH_MESSAGES: Final = 5_000
POLL_SECONDS: Final = 0.5
LAG_EVERY: Final = 5.0


class LabelStore(TopicBindings, Protocol):
    """Where labels are stored: `PostgresLabelStore`, and the tests' fake."""

    async def store(self, batch: LabelBatch) -> None:
        """See PostgresLabelStore."""


class LabelRecorder:
    """Stores labels until it is stopped. `run` it once; it is the consumer's rebalance listener."""

    def __init__(
        self,
        consumer: OrderConsumer,
        store: LabelStore,
        publisher: DecisionPublisher,
        *,
        now: Callable[[], datetime],
        metrics: LabelMetrics,
        health: HealthState,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._publisher = publisher
        self._now = now
        self._metrics = metrics
        self._health = health
        self._assignment = 0
        self._to_open: set[int] = set()
        self._expected: dict[int, int] = {}
        self._uncommitted: dict[int, int] = {}
        self._gaps: list[Gap] = []
        self._lag_at = 0.0

    # ---- rebalances: called by the consumer

    async def revoked(self) -> None:
        """The partitions are about to be revoked: what is not committed is stored again by their next owner."""
        self._assignment += 1
        self._to_open.clear()
        self._expected.clear()
        self._uncommitted.clear()
        self._gaps.clear()

    def assigned(self, partitions: Collection[int]) -> None:
        """Take over partitions: `run` opens them, outside the consumer's callback."""
        self._assignment += 1
        self._to_open = set(partitions)

    # ---- the loop

    async def bind(self, is_stopped: Callable[[], bool]) -> int | None:
        """The epoch of the topic that is read; None when the detector is stopped before that is known."""
        return await bind_topic(
            self._consumer,
            self._store,
            identifying=Check.LABELS_READING,
            storing=Check.LABELS_STORING,
            health=self._health,
            is_cancelled=is_stopped,
        )

    async def run(self, epoch: int, stop: asyncio.Event) -> None:
        """Store labels until `stop` is set; `epoch` is that of the topic."""
        await self._retry(lambda: self._consumer.join(self), Check.LABELS_READING, stop.is_set)
        while not stop.is_set() and not task_is_cancelled():
            try:
                if self._to_open:
                    await self._open()
                polled = await self._consumer.poll(BATCH_MESSAGES, POLL_SECONDS)
            except DependencyUnavailableError as error:
                self._health.unavailable(Check.LABELS_READING, str(error))
                await asyncio.sleep(POLL_SECONDS)
                continue
            except AcceptedLossError as error:
                self._to_open.add(error.partition)
                continue
            if polled:
                await self._record(read_batch(polled, self._expected, epoch, self._now()), stop)
            elif self._uncommitted:
                await self._commit()
            await self._read_lag()

    async def _open(self) -> None:
        """Find where to resume newly assigned partitions, and resume them there."""
        assignment, partitions = self._assignment, set(self._to_open)
        starts, gaps = await self._consumer.start_offsets(partitions)
        if assignment != self._assignment:
            return
        self._to_open.clear()
        self._gaps += gaps
        self._expected |= starts
        self._consumer.resume(starts)

    async def _record(self, batch: LabelBatch, stop: asyncio.Event) -> None:
        """Store, publish and commit a batch, unless its partitions are revoked or the detector is stopped before."""
        assignment = self._assignment

        def is_cancelled() -> bool:
            return stop.is_set() or assignment != self._assignment

        async def confirm() -> bool:
            await self._consumer.confirm_polled()
            return True

        async def store() -> bool:
            await self._store.store(batch)
            return True

        async def publish() -> bool:
            await self._publisher.publish((), batch.dead_letters)
            return True

        batch.gaps[:0] = self._gaps
        if not await self._retry(confirm, Check.LABELS_READING, is_cancelled):
            return
        if not await self._retry(store, Check.LABELS_STORING, is_cancelled):
            return
        self._gaps.clear()
        if batch.dead_letters and not await self._retry(publish, Check.LABELS_PUBLISHING, is_cancelled):
            return
        self._metrics.stored(batch)
        if assignment == self._assignment:
            self._expected |= batch.next_offsets
            self._uncommitted |= batch.next_offsets
            await self._commit()

    async def _commit(self) -> None:
        """Commit what is stored; what cannot be committed now is tried again after the next poll."""
        assignment = self._assignment
        try:
            await self._consumer.commit(self._uncommitted)
        except CommitRefusedError as error:
            log.info("labels_commit_refused", problem=str(error))
        except DependencyUnavailableError as error:
            log.debug("labels_not_committed", problem=str(error))
            return
        if assignment == self._assignment:
            self._uncommitted.clear()

    async def _read_lag(self) -> None:
        """Read the lag at times: the round trip that shows whether the broker responds, as an empty poll does not.

        After the batch is recorded: what was polled is not polled again.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._lag_at:
            try:
                self._metrics.lag(await self._consumer.lags())
            except DependencyUnavailableError as error:
                self._health.unavailable(Check.LABELS_READING, str(error))
                await asyncio.sleep(POLL_SECONDS)
                return
            self._lag_at = now + LAG_EVERY
        self._health.recovered(Check.LABELS_READING)

    async def _retry(
        self, call: Callable[[], Awaitable[T]], check: Check, is_cancelled: Callable[[], bool]
    ) -> T | None:
        return await retry_while_unavailable(call, check=check, health=self._health, is_cancelled=is_cancelled)
