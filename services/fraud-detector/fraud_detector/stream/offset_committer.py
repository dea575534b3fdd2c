"""Commits of what is finished: offsets advance only when everything before them is stored and published."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from fraud_detector.stream.buffers import OffsetTracker
from fraud_detector.stream.health import Check, HealthState
from fraud_detector.stream.metrics import DetectorMetrics, Stage
from fraud_detector.stream.ports import CommitRefusedError, DecisionStore, DependencyUnavailableError, OrderConsumer
from order_platform.cancellation import task_is_cancelled

log = structlog.get_logger()


class OffsetCommitter:
    """Records in the store how far batches are finished, then commits it.

    In this sequence: a group that was killed between the two has more recorded than committed, and reads a few finished
    messages again. The other way round it would have read a topic of which nothing is recorded, and would take one that
    was created again for the first.

    `committed` is called after each accepted commit with the positions on topic `decisions` up to which its batches had
    been published.
    """

    def __init__(
        self,
        consumer: OrderConsumer,
        store: DecisionStore,
        *,
        committed: Callable[[Mapping[int, int]], None],
        metrics: DetectorMetrics,
        health: HealthState,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._committed = committed
        self._metrics = metrics
        self._health = health
        self._offsets = OffsetTracker()
        self._published: dict[int, int] = {}
        self._committing = asyncio.Lock()

    def advance(self, next_offsets: Iterable[Mapping[int, int]], published: Mapping[int, int]) -> None:
        """Batches are finished, in this order, and published up to these positions on topic `decisions`."""
        self._published.update(published)
        for offsets in next_offsets:
            self._offsets.advance(offsets)

    def reset(self) -> None:
        """Forget everything: the partitions are no longer assigned."""
        self._offsets.reset()
        self._published.clear()

    async def run(self, every: float) -> None:
        """Commit what is finished, at most once in so many seconds, until it is cancelled."""
        while True:
            await self._offsets.wait()
            await asyncio.sleep(every)
            await self.commit()
            if task_is_cancelled():
                raise asyncio.CancelledError

    async def commit(self) -> None:
        """Commit what is finished now."""
        async with self._committing:
            offsets, published = self._offsets.uncommitted(), dict(self._published)
            if not offsets:
                return
            await self._record(offsets)
            try:
                with self._metrics.timed(Stage.COMMIT):
                    await self._consumer.commit(offsets)
            except CommitRefusedError as error:
                log.info("commit_refused", problem=str(error))
            except DependencyUnavailableError as error:
                self._health.unavailable(Check.COMMITTING, str(error))
                self._offsets.mark_dirty()
            else:
                self._health.recovered(Check.COMMITTING)
                self._offsets.mark_committed(offsets)
                self._metrics.committed(offsets)
                self._committed(published)

    async def _record(self, offsets: Mapping[int, int]) -> None:
        try:
            await self._store.record_positions(offsets)
        except DependencyUnavailableError as error:
            # Nothing waits for it: the next commit brings it up to date, and storing reports the outage.
            log.info("positions_not_recorded", problem=str(error))
